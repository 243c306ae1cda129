"""Checkable instructions: each check on what keeps to it and what does not; the set that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from steersman_vectors.errors import CallerError
from steersman_vectors.judges.contract import Judgeable
from steersman_vectors.judges.instructions import checks_of, instructions_judge
from steersman_vectors.judges.suites.checks import Check, count, times
from steersman_vectors.judges.suites.question import (
    Question,
    expected_of,
    parse_questions,
    read_questions,
    shipped,
)
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import Answer

from .answers import judged

CHECK: TypeAdapter[Check] = TypeAdapter(Check)

CASES = [
    ({"kind": "words", "at_most": 3}, "one two three", "one two three four"),
    ({"kind": "words", "at_least": 2}, "well-known people", "don't"),
    ({"kind": "sentences", "at_least": 2, "at_most": 2}, "One here. Two 2.5 there", "One, 2.5."),
    ({"kind": "sentences", "at_least": 1, "at_most": 1}, "(It is so.)", "No! Yes?"),
    ({"kind": "lines", "at_least": 2, "at_most": 2}, "a\n\nb\n", "a"),
    ({"kind": "paragraphs", "at_least": 2, "at_most": 2}, "a\nb\n \nc", "a\nb\nc"),
    ({"kind": "bullets", "at_least": 2, "at_most": 2}, "Here:\n- a\n2. b", "* a"),
    ({"kind": "characters", "at_most": 3}, " abc ", "abcd"),
    ({"kind": "contains", "text": "Thank you"}, "Oh, thank\nyou!", "thankyou"),
    ({"kind": "contains", "text": "a", "at_most": 1}, "a banana", "a and a"),
    ({"kind": "lacks", "text": "sun"}, "Sunday", "the SUN."),
    ({"kind": "lacks_characters", "text": ",;"}, "none here", "a, b"),
    ({"kind": "starts", "text": "Dear Sam"}, "**dear sam**, hi", "Hi, dear Sam"),
    ({"kind": "ends", "text": "That is all."}, "So. That is all", "That is all. Bye."),
    ({"kind": "case", "text": "lower"}, "it is 5 o'clock", "It is"),
    ({"kind": "case", "text": "upper"}, "GOOD MORNING 5", "123"),
    ({"kind": "json"}, '```json\n[1, 2]\n```', "Here: [1, 2]"),
    ({"kind": "json", "keys": ["a", "b"]}, '{"b": 1, "a": {}}', '{"a": 1}'),
    ({"kind": "json", "keys": ["a"]}, '{"a": [1]}', "[1]"),
    ({"kind": "one_of", "texts": ["yes", "no"]}, '"Yes."', "Yes, it is"),
    ({"kind": "quoted"}, '"Hello."', '"Hello." she said'),
]  # fmt: skip


@pytest.mark.parametrize(("check", "keeps", "breaks"), CASES)
def test_a_check_tells_the_two_apart(check: object, keeps: str, breaks: str) -> None:
    parsed = CHECK.validate_json(json.dumps(check))
    assert parsed.fault(keeps) == ""
    assert parsed.fault(breaks) != ""


@given(st.lists(st.text("abcXYZ", min_size=1, max_size=6), min_size=1, max_size=30))
def test_counts_of_what_was_put_together(words: list[str]) -> None:
    assert count("words", " ".join(words)) == len(words)
    assert count("lines", "\n".join(words)) == len(words)
    assert count("sentences", ". ".join(words) + ".") == len(words)
    assert count("bullets", "\n".join(f"- {word}" for word in words)) == len(words)
    assert count("paragraphs", "\n\n".join(words)) == len(words)
    folded = [word.casefold() for word in words]
    assert times(" ".join(words), words[0]) == folded.count(words[0].casefold())


@given(st.text(max_size=200), st.sampled_from([case[0] for case in CASES]))
def test_no_text_breaks_a_check(text: str, check: object) -> None:
    assert isinstance(CHECK.validate_json(json.dumps(check)).fault(text), str)


def test_the_judge_wants_all_checks_and_says_which_failed() -> None:
    questions = parse_questions(
        '{"prompt": "Go", "expected": {"checks": [{"kind": "words", "at_most": 2},'
        ' {"kind": "lacks", "text": "x"}]}}',
        "test",
    )
    judge = instructions_judge(checks_of(questions))

    def said(text: str, prompt: str = "Go") -> Judgeable:
        return Judgeable((Message("user", prompt),), Answer(text, "stop", (), ()))

    kept, broken, unknown = judged(judge, said("a b"), said("x y z"), said("a", "Stop"))
    assert (kept.value, broken.value, unknown.value) == (1.0, 0.0, None)
    assert broken.why == "3 words, expected at most 2; says 'x'"


def test_the_shipped_set_is_whole() -> None:
    questions = shipped("instructions")
    assert len(questions) >= 40
    assert len({question.messages for question in questions}) == len(questions)
    assert all(question.checks and question.id for question in questions)
    assert all(any(check.fault("") for check in question.checks) for question in questions), (
        "an empty answer keeps to no instruction"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "x", "expected": {}}', "neither"),
        ('{"prompt": "x"}', "expected"),
        ('{"prompt": "", "expected": "x"}', "prompt"),
        ('{"prompt": "x", "expected": []}', "expected"),
        ('{"prompt": "x", "expected": "!"}', "expected"),
        ('{"prompt": "x", "expected": [["a"], []]}', "expected"),
        ('{"prompt": [{"role": "system", "content": "x"}], "expected": "a"}', "user"),
        ('{"prompt": "x", "expected": {"checks": [{"kind": "words"}]}}', "at_least or at_most"),
        (
            '{"prompt": "x", "expected": {"checks": '
            '[{"kind": "words", "at_least": 2, "at_most": 1}]}}',
            "less",
        ),
        ('{"prompt": "x", "expected": {"checks": [{"kind": "magic"}]}}', "checks"),
        ("{", "line 2"),
        ("", "no questions"),
    ],
)
def test_a_bad_set_is_refused_with_its_line(line: str, said: str) -> None:
    with pytest.raises(CallerError, match=said) as refused:
        parse_questions(f"\n{line}\n", "mine.jsonl")
    assert refused.value.code == "questions_invalid"


def test_any_file_of_questions_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(
        '{"prompt": "a", "expected": "x", "source": "mine"}\n'
        '{"prompt": "b", "expected": ["x", "y"]}\n'
        '{"prompt": "c", "expected": [["x"], ["y", "z"]]}\n'
    )
    expected = [question.expected for question in read_questions(file)]
    assert expected == [(("x",),), (("x", "y"),), (("x",), ("y", "z"))]
    assert Question((Message("user", "a"),), (("x",),)) in read_questions(file)
    both = {"facts": "x", "checks": [{"kind": "quoted"}]}
    assert expected_of(both)[0] == (("x",),)
    assert expected_of(both)[1][0].kind == "quoted"
    for wrong in (5, None, [], [[]], ["a", ["b"]], [5], {"days": 3}):
        with pytest.raises(ValueError, match="validation error"):
            expected_of(wrong)
