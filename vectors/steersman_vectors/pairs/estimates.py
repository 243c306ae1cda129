"""The few statistics that checks of pairs need, each with its formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance

from ..intervals import wilson_at

Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95% confidence interval."""

    estimate: float
    low: float
    high: float


def cohens_d(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """Returns d = (mean(one) - mean(other)) / pooled standard deviation; None where that is 0.

    se(d)^2 = (n + m) / (n m) + d^2 / (2 (n + m)), Hedges and Olkin 1985; needs two of each.
    """
    n, m = len(one), len(other)
    if n < 2 or m < 2:
        return None
    pooled = ((n - 1) * variance(one) + (m - 1) * variance(other)) / (n + m - 2)
    if pooled <= 0:
        return None
    d = (fmean(one) - fmean(other)) / math.sqrt(pooled)
    se = math.sqrt((n + m) / (n * m) + d * d / (2 * (n + m)))
    return Interval(d, d - Z95 * se, d + Z95 * se)


def wilson(hits: float, n: int) -> Interval:
    """Returns hits / n with Wilson's score interval."""
    return Interval(hits / n if n else 0.0, *wilson_at(hits, n, Z95))


@dataclass(frozen=True, slots=True)
class Cut:
    """A classifier by one number: positive where it is above `at`, or else where it is not."""

    at: float
    above: bool

    def says(self, value: float) -> bool:
        """Returns whether it takes the value for a positive example's."""
        return (value > self.at) == self.above


def best_cut(positive: Sequence[float], negative: Sequence[float]) -> Cut:
    """Returns the cut with the highest balanced accuracy, the lowest among equals."""
    weighted = sorted(
        [(value, 1 / len(positive)) for value in positive]
        + [(value, -1 / len(negative)) for value in negative]
    )
    best, gain, best_gain = Cut(-math.inf, True), 0.0, 0.0
    for index, (value, weight) in enumerate(weighted):
        gain -= weight  # of what is above the cut: share of positive less share of negative
        if index + 1 < len(weighted) and weighted[index + 1][0] == value:
            continue
        if abs(gain) > best_gain + 1e-12:
            best, best_gain = Cut(value, gain > 0), abs(gain)
    return best


def best_accuracy_reference(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Returns the highest balanced accuracy of all cuts, each tried."""
    cuts = [Cut(at, above) for at in (-math.inf, *positive, *negative) for above in (True, False)]
    return max(balanced_accuracy(cut, positive, negative) for cut in cuts)


def balanced_accuracy(cut: Cut, positive: Sequence[float], negative: Sequence[float]) -> float:
    """Returns the mean of the shares of positive and of negative values that it gets right."""
    right = fmean(cut.says(value) for value in positive)
    return (right + fmean(not cut.says(value) for value in negative)) / 2
