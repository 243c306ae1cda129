"""Length bias: whether the positive side can be told from the negative one by its length alone.

A vector made from such pairs makes answers longer or shorter, whatever else it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from ..quality.units import split_words
from .duplicates import Numbered
from .estimates import Interval, best_cut, cohens_d, wilson
from .finding import Finding, finding
from .pair import Example

FOLDS = 5
TELLING = 0.65
"""Accuracy from which length is a bias, if its interval excludes chance."""
MIN_EXAMPLES = 20
"""Of both sides together, for the classifier to say anything."""
REMEDY = (
    "rewrite the longer side's texts to the length of the other's, or drop the most unequal lines; "
    "keep them only if length is the behaviour"
)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Words of the positive and of the negative side."""

    of: Literal["answers", "prompts"]
    """What was counted: the texts that the contrast is in."""
    positive_mean: float
    negative_mean: float
    positive_median: float
    negative_median: float
    d: Interval | None
    """Cohen's d of positive less negative; None where neither side varies, or too few are there."""
    accuracy: Interval
    """Of a classifier that sees the length alone: balanced, on folds that it was not fitted to."""


def measure(lines: Sequence[Numbered]) -> Lengths:
    """Returns the lengths of both sides."""
    of = contrasted(lines)
    positive = [float(words(each.line.positive, of)) for each in lines if each.line.positive]
    negative = [float(words(each.line.negative, of)) for each in lines if each.line.negative]
    return Lengths(
        of, fmean(positive), fmean(negative), median(positive), median(negative),
        cohens_d(positive, negative), length_accuracy(positive, negative),
    )  # fmt: skip


def contrasted(lines: Sequence[Numbered]) -> Literal["answers", "prompts"]:
    """Returns which texts the contrast is in: the answers, where all have one of their own."""
    in_answers = all(
        each.line.form != "prompts" and side.answer is not None
        for each in lines
        for side in each.line.sides
    )
    return "answers" if in_answers else "prompts"


def words(example: Example, of: Literal["answers", "prompts"]) -> int:
    """Returns the number of words; of scripts without spaces, of characters."""
    if of == "answers":
        return len(split_words(example.answer or ""))
    return sum(len(split_words(message.content)) for message in example.prompt)


def length_accuracy(positive: Sequence[float], negative: Sequence[float]) -> Interval:
    """Returns the cross-validated balanced accuracy of the best cut, with Wilson's interval.

    Every fifth example of each side is left out in turn, the cut fitted to the others.
    """
    right = [0, 0]
    for fold in range(FOLDS):
        fitted = [list(_others(positive, fold)), list(_others(negative, fold))]
        if not fitted[0] or not fitted[1]:
            return Interval(0.5, 0.0, 1.0)
        cut = best_cut(*fitted)
        right[0] += sum(cut.says(value) for value in positive[fold::FOLDS])
        right[1] += sum(not cut.says(value) for value in negative[fold::FOLDS])
    n = len(positive) + len(negative)
    return wilson(n * (right[0] / len(positive) + right[1] / len(negative)) / 2, n)


def findings(lengths: Lengths, examples: int) -> Iterator[Finding]:
    """Yields the length bias, if there is one; examples: of both sides together."""
    accuracy = lengths.accuracy
    if examples < MIN_EXAMPLES or accuracy.estimate < TELLING or accuracy.low <= 0.5:
        return
    d = "" if lengths.d is None else (
        f"; Cohen's d {lengths.d.estimate:.2f} ({lengths.d.low:.2f} to {lengths.d.high:.2f})"
    )  # fmt: skip
    yield finding(
        "warning",
        "length_bias",
        f"length alone tells the sides apart in {accuracy.estimate:.0%} "
        f"({accuracy.low:.0%} to {accuracy.high:.0%}): {lengths.positive_mean:.1f} words in "
        f"positive {lengths.of}, {lengths.negative_mean:.1f} in negative{d}",
        REMEDY,
    )


def _others(values: Sequence[float], fold: int) -> Iterator[float]:
    return (value for index, value in enumerate(values) if index % FOLDS != fold)
