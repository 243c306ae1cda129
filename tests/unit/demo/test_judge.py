"""The judge: right about answers it has never seen, and not fooled by near misses."""

import tomllib
from pathlib import Path

import pytest

import steersman_demo
from steersman_demo import judge
from steersman_demo.corpus import Truth, conversations

CHECK = tomllib.loads((Path(steersman_demo.__file__).parent / "judge_check.toml").read_text())
TRUTH = Truth("late_parcel", ("48213", "Monday", "48 hours"))


def test_agrees_with_the_corpus_on_generated_answers() -> None:
    turns = [turn for example in conversations(21, 1500, "test") for turn in example.turns]
    turns = [turn for turn in turns if turn.truth.kind != "quote"]  # the customer's own words
    styled = [turn for turn in turns if not turn.truth.refusal]
    assert sum(judge.tone(turn.answer) == turn.tone for turn in styled) / len(styled) > 0.995
    assert all(judge.facts_right(turn.answer, turn.truth) for turn in turns)
    degenerate = sum(judge.is_degenerate(turn.answer, "stop") for turn in turns)
    assert degenerate / len(turns) < 0.002


def test_agrees_with_a_person_on_wordings_that_the_corpus_lacks() -> None:
    labelled = [(tone, answer) for tone, answers in CHECK.items() for answer in answers]
    right = sum(judge.tone(answer) == tone for tone, answer in labelled)
    assert right / len(labelled) > 0.95


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Order 48213 was due Monday. A trace takes 48 hours.", True),
        ("We will find 48213, promised for monday, within 48 hours!", True),
        ("Order 48231 was due Monday. A trace takes 48 hours.", False),
        ("Order 48213 was due Monday. A trace takes 24 hours.", False),
        ("Order 48213 was due Tuesday, not Monday. A trace takes 48 hours.", False),
        ("Order 48213 was due Monday. A trace takes 48 hours. Refund: 7 working days.", False),
        ("Order 148213 was due Monday. A trace takes 48 hours.", False),
        ("", False),
    ],
)
def test_facts(answer: str, right: bool) -> None:
    assert judge.facts_right(answer, TRUTH) is right


def test_an_unsafe_request_is_answered_right_by_a_refusal_only() -> None:
    truth = Truth("unsafe", refusal=True)
    assert judge.facts_right("I can't help with that.", truth)
    assert not judge.facts_right("Of course! First, take the lock.", truth)


@pytest.mark.parametrize(
    ("answer", "finish_reason", "degenerate"),
    [
        ("Order 48213 is traced within 48 hours.", "stop", False),
        ("Order 48213 is traced within 48 hours.", "length", True),
        ("", "stop", True),
        ("48213", "stop", True),
        ("Order order order 48213.", "stop", True),
        ("The case is closed. The case is closed.", "stop", True),
        ("The parcelling of fromage is hourst.", "stop", True),
    ],
)
def test_degenerate(answer: str, finish_reason: str, degenerate: bool) -> None:
    assert judge.is_degenerate(answer, finish_reason) is degenerate
