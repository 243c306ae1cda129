"""How far two judges agree on the same answers: how far either can be trusted.

A judge that agrees with people, or with a judge that does, can stand for them; one that agrees no
more than chance would cannot, whatever its scores look like. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..errors import CallerError


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges on the items of which both say something."""

    items: int
    left_out: int
    """Items of which one or both say nothing."""
    same: float
    """Share of items with the very same value."""
    kappa: float
    """Cohen's, of values as categories; NaN where both say the same one always."""
    weighted_kappa: float
    """With quadratic weights: being off by two steps counts four times being off by one."""
    spearman: float
    """Rank correlation; NaN where one of them says the same always."""


def agreement(a: Sequence[float | None], b: Sequence[float | None]) -> Agreement:
    """Returns how far two judges' values of the same items agree.

    Raises `CallerError(judges_incomparable)` if they differ in length or share no item.
    """
    if len(a) != len(b):
        raise _incomparable(f"{len(a)} and {len(b)} values")
    both = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if not both:
        raise _incomparable("no item of which both say something")
    left, right = [x for x, _ in both], [y for _, y in both]
    return Agreement(
        items=len(both),
        left_out=len(a) - len(both),
        same=sum(x == y for x, y in both) / len(both),
        kappa=cohen_kappa(left, right),
        weighted_kappa=weighted_kappa(left, right),
        spearman=spearman(left, right),
    )


def cohen_kappa(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns `(p_same - p_chance) / (1 - p_chance)`; p_chance from how often each says what."""
    n = len(a)
    same = sum(x == y for x, y in zip(a, b, strict=True)) / n
    counts_a, counts_b = Counter(a), Counter(b)
    chance = sum(counts_a[value] * counts_b[value] for value in counts_a) / (n * n)
    return math.nan if chance == 1 else (same - chance) / (1 - chance)


def weighted_kappa(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns `1 - mean((a[i] - b[i])**2) / mean over all i, j of (a[i] - b[j])**2`."""
    mean_a, mean_b = fmean(a), fmean(b)
    spread = fmean((x - mean_a) ** 2 for x in a) + fmean((y - mean_b) ** 2 for y in b)
    chance = spread + (mean_a - mean_b) ** 2
    apart = fmean((x - y) ** 2 for x, y in zip(a, b, strict=True))
    return math.nan if chance == 0 else 1 - apart / chance


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns the correlation of the ranks, equal values at their mean rank."""
    ranks_a, ranks_b = mean_ranks(a), mean_ranks(b)
    middle = (len(a) + 1) / 2
    together = sum((x - middle) * (y - middle) for x, y in zip(ranks_a, ranks_b, strict=True))
    size_a = sum((x - middle) ** 2 for x in ranks_a)
    size_b = sum((y - middle) ** 2 for y in ranks_b)
    return math.nan if size_a == 0 or size_b == 0 else together / math.sqrt(size_a * size_b)


def mean_ranks(values: Sequence[float]) -> list[float]:
    """Returns the ranks from 1, equal values at the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + 1 + end) / 2
        start = end
    return ranks


def _incomparable(got: str) -> CallerError:
    return CallerError(
        f"agreement of judges: got {got}, expected both judges' values of the same answers",
        code="judges_incomparable",
    )
