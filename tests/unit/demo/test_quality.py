"""The detectors on over-steered answers of the demo model, and the page of their figures."""

from __future__ import annotations

from pathlib import Path

from steersman_demo import judge
from steersman_demo.quality import answers, figures, page

ROOT = Path(__file__).parents[3]
ANSWERS = answers.read(ROOT / "docs/quality/answers.jsonl")


def test_the_truth_is_the_demos_own_judgement():
    for each in ANSWERS:
        assert each.degenerate == judge.is_degenerate(each.text, each.finish_reason)
        assert each.looped == judge.loops(each.text)


def test_no_fine_answer_is_called_degenerate_and_most_others_are():
    found = figures.of_answers(ANSWERS)
    assert found.n > 900
    assert found.both == found.found
    assert found.recall is not None
    assert found.recall > 0.8


def test_the_page_has_these_figures():
    text = (ROOT / "docs/quality.md").read_text()
    assert text.split(page.BEGIN)[1].split(page.END)[0].strip() == page.block(ANSWERS).strip()


def test_what_precision_and_recall_are():
    counted = figures.count([(True, True), (True, False), (False, True), (False, False)])
    assert (counted.precision, counted.recall) == (0.5, 0.5)
    assert figures.count([(False, False)]).precision is None
