"""Statistics of the checks against slower or known ones."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.pairs.estimates import (
    balanced_accuracy,
    best_accuracy_reference,
    best_cut,
    cohens_d,
    wilson,
)
from steersman_vectors.pairs.lengths import length_accuracy

lengths = st.lists(st.integers(0, 12).map(float), min_size=1, max_size=25)


@given(lengths, lengths)
def test_the_best_cut_is_the_best_of_all(positive: list[float], negative: list[float]) -> None:
    cut = best_cut(positive, negative)
    best = best_accuracy_reference(positive, negative)
    assert balanced_accuracy(cut, positive, negative) == pytest.approx(best)


def test_cohens_d_of_a_textbook_example() -> None:
    d = cohens_d([3, 4, 5, 6, 7], [1, 2, 3, 4, 5])
    assert d is not None
    assert d.estimate == pytest.approx(2 / math.sqrt(2.5))
    assert d.high - d.low == pytest.approx(2 * 1.959964 * math.sqrt(10 / 25 + 1.6 / 20))
    assert cohens_d([1, 1], [2, 2]) is None
    assert cohens_d([1], [2, 3]) is None


def test_the_interval_of_d_holds_the_truth_in_95_of_100() -> None:
    draw = random.Random(4)
    held = 0
    for _ in range(1000):
        one = [draw.gauss(0.5, 1) for _ in range(40)]
        d = cohens_d(one, [draw.gauss(0, 1) for _ in range(40)])
        assert d is not None
        held += d.low <= 0.5 <= d.high
    assert 925 <= held <= 970


def test_wilson_as_scipy_has_it() -> None:
    """scipy.stats.binomtest(8, 10).proportion_ci(method="wilson")."""
    found = wilson(8, 10)
    assert (found.low, found.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


def test_lengths_of_chance_tell_nothing() -> None:
    """Cross-validated: the best cut of chance is right in half of what it was not fitted to."""
    draw = random.Random(1)
    sides = [[float(draw.randint(1, 30)) for _ in range(400)] for _ in range(2)]
    assert abs(length_accuracy(*sides).estimate - 0.5) < 0.08
    assert length_accuracy([5.0] * 20, [9.0] * 20).estimate == 1
    assert length_accuracy([1.0], [2.0]).low == 0
