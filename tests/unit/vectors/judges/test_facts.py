"""Exact facts: what is right, what hedges, and any answer built around a fact."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steersman_vectors.judges.facts import facts_judge, fault, numbers_of, says
from steersman_vectors.judges.suites.question import shipped

from .answers import item, judged

RIGHT = [
    ("It is Paris.", (("Paris",),), ""),
    ("PARIS, of course", (("Paris",),), ""),
    ("The **Paris**", (("Paris",),), ""),
    ("A spider has eight legs.", (("8", "eight"),), ""),
    ("1,000 metres", (("1000",),), ""),
    ("1000 metres", (("1,000",),), ""),
    ("7 times 8 is 56.", (("56",),), "What is 7 times 8?"),
    ("On 12 May you paid 49.50 euros.", (("12 May",), ("49.50",)), ""),
    ("O\u2019Neill said so", (("O'Neill",),), ""),
    ("−5 degrees", (("-5",),), ""),
    ("Water is H₂O.", (("H2O",),), ""),
]
WRONG = [
    ("It is Parisian.", (("Paris",),), ""),
    ("It is Lyon.", (("Paris",),), ""),
    ("15 or 16", (("15",),), ""),
    ("2.5", (("5",),), ""),
    ("56.7", (("56",),), ""),
    ("1,560", (("56",),), ""),
    ("-5", (("5",),), ""),
    ("156", (("56",),), ""),
    ("On 12 May you paid.", (("12 May",), ("49",)), ""),
    ("", (("Paris",),), ""),
]


@pytest.mark.parametrize(("text", "expected", "prompt"), RIGHT)
def test_right(text: str, expected: tuple[tuple[str, ...], ...], prompt: str) -> None:
    assert fault(text, expected, prompt) == ""


@pytest.mark.parametrize(("text", "expected", "prompt"), WRONG)
def test_wrong(text: str, expected: tuple[tuple[str, ...], ...], prompt: str) -> None:
    assert fault(text, expected, prompt) != ""


@given(
    st.text(max_size=30),
    st.text("abcdefg 0123456789", min_size=1, max_size=12),
    st.text(max_size=30),
)
def test_a_fact_between_spaces_is_always_found(before: str, fact: str, after: str) -> None:
    assume(fact.strip())
    from steersman_vectors.judges.facts import _comparable

    # A thousands separator may join a number to what stands around it, and that is meant.
    assume("," not in before + after)
    assert says(_comparable(f"{before} {fact} {after}"), fact) or before.rstrip().endswith("-")


@given(st.integers(0, 10**9))
def test_numbers_are_one_however_written(number: int) -> None:
    assert numbers_of(f"{number:,}") == numbers_of(str(number)) == numbers_of(f"{number}.0")


def test_the_judge_says_why_and_abstains_without_facts() -> None:
    right, wrong, none = judged(
        facts_judge(),
        item("Paris", expected=(("Paris",),)),
        item("It is 7 or 8", expected=(("8", "eight"),)),
        item("Paris"),
    )
    assert (right.value, wrong.value, none.value) == (1.0, 0.0, None)
    assert wrong.why == "says 7 too"
    assert "expected" in none.why


def test_every_shipped_fact_is_right_by_its_own_answer_and_wrong_by_all_others() -> None:
    questions = shipped("facts")
    assert len(questions) >= 60
    assert len({question.messages for question in questions}) == len(questions)
    answers = {question.messages: question.expected for question in questions}
    for question in questions:
        for alternative in question.expected[0]:
            assert fault(f"The answer is {alternative}.", question.expected) == ""
        for other in answers.values():
            if not set(other[0]) & set(question.expected[0]):
                told = fault(f"It is {other[0][0]}.", question.expected)
                assert told, (question, other)
