"""How long an answer is, and how long beside the unsteered one."""

from __future__ import annotations

from math import inf

from .by_text import ByText
from .contract import Judgeable, Measure, Verdict
from .words import words_of


def length_judge() -> ByText:
    """Returns the judge of an answer's words: a quantity to watch, neither good nor bad."""

    def say(item: Judgeable) -> Verdict:
        return Verdict(float(len(words_of(item.answer.text))))

    return ByText(Measure("length", "neither", 0, inf, "words"), say)


def length_ratio_judge() -> ByText:
    """Returns the judge of an answer's words over those of its unsteered one."""

    def say(item: Judgeable) -> Verdict:
        if item.baseline is None:
            return Verdict(None, "there is no unsteered answer to the same prompt")
        base = len(words_of(item.baseline.text))
        if base == 0:
            return Verdict(None, "the unsteered answer has no words")
        return Verdict(len(words_of(item.answer.text)) / base)

    return ByText(Measure("length-ratio", "neither", 0, inf, "times the unsteered"), say)
