"""What is found in answers: the labelled texts, any text at all, and texts made to be slow."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_demo.quality.texts import FINDINGS, TEST, TUNE, read
from steersman_vectors.quality.judge import judge
from steersman_vectors.quality.judgement import Judgement

EITHER = st.text(max_size=400)
PARTS = [
    "ab",
    "a b ",
    "你",
    "| x |",
    "\n",
    "```",
    "!?",
    "{",
    "[",
    "Ünïcödé ",
    "\ufffd",
    "🎉",
    "0",
    " ",
]


@pytest.mark.parametrize("text", read(TUNE), ids=lambda text: text.kind)
def test_what_was_tuned_on_is_right(text):
    assert judge(text.prompt, text.text, text.finish_reason).findings == text.found


def test_what_was_not_tuned_on_is_mostly_right():
    """Floors under what docs/quality.md says, so that a change for the worse is seen."""
    answers = read(TEST)
    pairs = [(t, judge(t.prompt, t.text, t.finish_reason)) for t in answers]
    fine = [j.degenerate for t, j in pairs if not Judgement(t.found).degenerate]
    bad = [j.degenerate for t, j in pairs if Judgement(t.found).degenerate]
    assert sum(fine) <= 1, "a fine answer more is judged degenerate"
    assert sum(bad) >= len(bad) - 3
    assert len(answers) + len(read(TUNE)) >= 150


@given(EITHER, EITHER, st.sampled_from(["stop", "length", "abort", None, "tool_calls"]))
def test_any_text_has_a_judgement(prompt, text, finish_reason):
    found = judge(prompt, text, finish_reason).findings
    assert found <= set(FINDINGS)
    assert ("truncated" in found) == (finish_reason == "length")
    assert judge(prompt, text, finish_reason).findings == found


@settings(max_examples=30)
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=6), st.integers(20_000, 60_000))
def test_the_work_does_not_grow_with_the_text(parts, length):
    """Counted in calls of Python functions, as time depends on who else runs."""
    block = "".join(parts)
    short, long = (block * (n // len(block) + 1) for n in (9_000, length))
    assert calls("Hello there", long) <= 1.2 * calls("Hello there", short) + 200


def test_nor_with_texts_that_never_repeat():
    rng = random.Random(1)
    texts = ["".join(rng.choices("abcdef \n'’|{", k=n)) for n in (9_000, 100_000)]
    assert calls("Hello there", texts[1]) <= 1.2 * calls("Hello there", texts[0]) + 200


def calls(prompt, text):
    counted = 0

    def count(_frame, event, _arg):
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        judge(prompt, text, "stop")
    finally:
        sys.setprofile(None)
    return counted


REPEATED = "Please check the cable and try again. "


@pytest.mark.parametrize(("text", "found"), [
    ("x" * 200_000, {"repetition"}),
    ("Fine so far. " + "and then we go on " * 5000, {"repetition"}),
    (REPEATED * 3 + "Then it works, and the light is green.", {"repetition"}),
    (REPEATED * 2 + "Then it works, and the light is green.", set()),
])  # fmt: skip
def test_loops(text, found):
    assert judge("What is wrong?", text, "stop").findings == found


def test_a_loop_in_the_end_of_a_long_answer_is_seen():
    rng = random.Random(2)
    words = [f"{a}{b}" for a in ("ka", "lo", "mi", "ne", "tu") for b in ("ra", "si", "do", "ve")]
    fine = " ".join(rng.choice(words) for _ in range(6000))
    assert not judge("", fine, "stop").degenerate
    assert judge("", fine + " so it goes on" * 9, "stop").findings == {"repetition"}
