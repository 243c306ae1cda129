"""What is planted is found; where nothing is, nothing is found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steersman_vectors.pairs.check import Report, check
from steersman_vectors.pairs.read import read_pairs
from steersman_vectors.pairs.split import split_of

from .samples import NOUNS, PLACES, clean, line_of, write

Checked = Callable[..., Report]


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    def of(*values: dict[str, Any]) -> Report:
        return check(read_pairs(write(tmp_path / "pairs.jsonl", *values)))

    return of


def codes(report: Report) -> list[str]:
    return [each.code for each in report.findings]


@pytest.mark.parametrize("seed", range(5))
def test_clean_pairs_have_no_finding(checked: Checked, seed: int) -> None:
    report = checked(*clean(200, seed))
    assert report.findings == ()
    assert sum(report.positive.values()) == sum(report.negative.values()) == report.lines == 200
    assert report.lengths.of == "answers"
    assert report.lengths.accuracy.low < 0.5 < report.lengths.accuracy.high


def test_length_bias(checked: Checked) -> None:
    values = clean(200)
    for value in values[::2]:
        value["positive"] += (
            " I would be glad to tell you more about all of this whenever you like."
        )
    report = checked(*values)
    assert codes(report) == ["length_bias"]
    assert report.lengths.d is not None
    assert report.lengths.d.low > 0.5
    assert 0.65 < report.lengths.accuracy.estimate < 0.85
    for value in values:  # it goes either way
        value["positive"], value["negative"] = value["negative"], value["positive"]
    assert codes(checked(*values)) == ["length_bias"]


def test_a_few_pairs_are_no_evidence_of_bias(checked: Checked) -> None:
    values = clean(8)
    values[0]["positive"] += " And so on and on and on."
    assert "length_bias" not in codes(checked(*values))


def test_leaks_between_splits(checked: Checked) -> None:
    values = clean(200)
    planted = []
    for value in values:
        again = {**value, "prompt": value["prompt"].replace("?", "!!"),
                 "positive": "Oh my, how are you holding up with all that?",
                 "negative": "Such a matter is none of this office, as is known."}  # fmt: skip
        if len(planted) < 7 and split_of(line_of(again)) != split_of(line_of(value)):
            planted.append(again)
    assert len(planted) == 7
    report = checked(*values, *planted)
    (leak,) = [each for each in report.findings if each.code == "leakage"]
    assert leak.message.startswith("7 of 207 lines")
    assert leak.severity == "warning"


def test_one_prompt_in_two_groups_leaks(checked: Checked) -> None:
    values = [{**value, "group": f"g{i}"} for i, value in enumerate(clean(100))]
    prompt = values[0]["prompt"]
    more = [{"prompt": prompt, "positive": f"{a} yes", "negative": f"{b} no", "group": f"h{i}"}
            for i, (a, b) in enumerate(zip(NOUNS, PLACES, strict=True))]  # fmt: skip
    assert "leakage" in codes(checked(*values, *more))
    together = [{**value, "group": "g0"} for value in more]
    assert "leakage" not in codes(checked(*values, *together))


def test_duplicates_are_told(checked: Checked) -> None:
    values = clean(100)
    report = checked(*values, values[3], {**values[4], "positive": f" {values[4]['positive']}"})
    (found,) = report.findings
    assert (found.code, found.severity, found.lines) == ("duplicates_exact", "note", (101, 102))


def test_answers_that_differ_in_nothing_that_counts(checked: Checked) -> None:
    values = clean(200)
    values[5]["negative"] = values[5]["positive"].upper().replace(",", "")
    values[9]["negative"] = values[9]["positive"] + " As I said."
    report = checked(*values)
    assert {(f.code, f.lines) for f in report.findings} == {
        ("only_punctuation", (6,)),
        ("only_length", (10,)),
    }


def test_one_answer_on_both_sides(checked: Checked) -> None:
    values = clean(200)
    values[7]["negative"] = values[20]["positive"]
    (found,) = checked(*values).findings
    assert (found.code, found.severity, found.lines) == ("label_conflict", "error", (8, 21))


def test_too_few(checked: Checked) -> None:
    found = {f.code: f.severity for f in checked(*clean(12)).findings}
    assert found["split_small"] == "warning"
    few = [v for v in clean(100) if split_of(line_of(v)) != "train"][:20]
    (empty,) = [f for f in checked(*few).findings if f.severity == "error"]
    assert empty.code == "split_empty"
    assert "--split none" in empty.remedy


def members(count: int, seed: int = 3) -> list[dict[str, Any]]:
    """Labelled sets whose prompts are of the same topics on both sides."""
    found = []
    for index, value in enumerate(clean(count, seed)):
        label = ("positive", "negative")[index % 2]
        found.append({"prompt": value["prompt"], "label": label, "answer": value[label]})
    return found


def test_clean_sets_have_no_finding(checked: Checked) -> None:
    report = checked(*members(300))
    assert report.findings == ()
    assert not report.paired


def test_classes_out_of_balance(checked: Checked) -> None:
    values = members(400)
    kept = [v for i, v in enumerate(values) if v["label"] == "positive" or i % 4 == 1]
    assert "class_imbalance" in codes(checked(*kept))


def test_topics_of_one_side(checked: Checked) -> None:
    values = members(300)
    for value in values:
        if value["label"] == "positive":
            value["prompt"] = "Dentist: " + value["prompt"]
    (found,) = [f for f in checked(*values).findings if f.code == "topic_skew"]
    assert found.severity == "warning"
    assert "'dentist' 150 : 0" in found.message
    for value in values:
        del value["answer"]
    assert [f.severity for f in checked(*values).findings if f.code == "topic_skew"] == ["note"]


def test_languages(checked: Checked) -> None:
    values = clean(200)
    german = (
        "Das ist nicht so schlimm, und wir sind auch noch hier, wenn die Sache mit dem Rad ruht"
    )
    for number, value in enumerate(values[:30]):
        value["positive"] = f"{german} {number}."
    found = {f.code: f for f in checked(*values).findings}
    assert found["language_differs"].message.startswith("in 30 pairs")
    assert "german 30" in found["languages_mixed"].message
    values = clean(200)
    values[0]["negative"] = (
        "Это совсем не наше дело, обратитесь в другое место, пожалуйста, гражданин"
    )
    assert codes(checked(*values)) == ["language_differs"]


def test_answers_of_some_lines_only(checked: Checked) -> None:
    values = members(300)
    del values[0]["answer"]
    assert "answers_missing" in codes(checked(*values))


def test_prompt_pairs_are_measured_by_their_prompts(checked: Checked) -> None:
    draw = random.Random(2)
    values = [{"positive_prompt": f"I am so angry. {v['prompt']}", "answer": "Let me see.",
               "negative_prompt": f"I am so calm. {v['prompt']} {draw.choice(['', 'Thanks.'])}"}
              for v in clean(200)]  # fmt: skip
    report = checked(*values)
    assert report.lengths.of == "prompts"
    assert "label_conflict" not in codes(report)


def test_severest_first_and_every_finding_has_a_remedy(checked: Checked) -> None:
    values = clean(30)
    values[7]["negative"] = values[20]["positive"]
    report = checked(*values, values[0])
    order = [f.severity for f in report.findings]
    assert order == sorted(order, key=["error", "warning", "note"].index)
    assert all(f.remedy and json.dumps(f.message) for f in report.findings)
