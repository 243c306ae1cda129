"""Intervals against scipy's, and against what they promise: to hold the truth that often."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from steersman_vectors.errors import CallerError
from steersman_vectors.intervals import (
    mean_interval,
    paired_difference,
    t_quantile,
    wilson,
)

CONFIDENCES = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60)


@given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), CONFIDENCES
)
def test_wilson_is_that_of_scipy(counted: tuple[int, int], confidence: float) -> None:
    successes, n = counted
    theirs = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert wilson(successes, n, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    low, high = wilson(successes, n, confidence)
    assert 0 <= low <= successes / n <= high <= 1


@given(st.integers(1, 10_000), st.floats(0.5, 0.99999))
def test_quantiles_are_those_of_scipy(freedom: int, probability: float) -> None:
    theirs = float(stats.t.ppf(probability, freedom))
    assert t_quantile(probability, freedom) == pytest.approx(theirs, rel=1e-7, abs=1e-9)


@given(VALUES, CONFIDENCES)
def test_the_interval_of_a_mean_is_that_of_scipy(values: list[float], confidence: float) -> None:
    low, high = mean_interval(values, confidence)
    spread = stats.sem(values)
    size = max(map(abs, values))
    if spread <= 1e-12 * size:
        assert high - low <= 1e-9 * max(size, 1)
        return
    theirs = stats.t.interval(
        confidence, len(values) - 1, loc=sum(values) / len(values), scale=spread
    )
    assert (low, high) == pytest.approx(theirs, rel=1e-6, abs=1e-7 * size)


def test_a_difference_of_pairs_is_that_of_scipy() -> None:
    drawn = random.Random(7)
    hard = [drawn.gauss(0, 10) for _ in range(40)]
    a = [each + drawn.gauss(1, 1) for each in hard]
    b = [each + drawn.gauss(0, 1) for each in hard]
    theirs = stats.ttest_rel(a, b).confidence_interval(0.95)
    low, high = paired_difference(a, b)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
    assert low > 0, "the pairs show the difference of 1, whatever the items' own spread"


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    drawn = random.Random(3)
    held = 0
    for _ in range(2000):
        low, high = wilson(sum(drawn.random() < 0.1 for _ in range(50)), 50)
        held += low <= 0.1 <= high
    assert 0.93 < held / 2000 < 0.98
    held = 0
    for _ in range(1000):
        low, high = mean_interval([drawn.gauss(5, 2) for _ in range(8)])
        held += low <= 5 <= high
    assert 0.93 < held / 1000 < 0.97


def test_pairs_of_zeros_and_ones_hold_the_truth_and_are_never_certain() -> None:
    drawn = random.Random(11)
    held = narrower = 0
    for _ in range(1500):
        hard = [drawn.random() for _ in range(40)]
        a = [float(each < 0.8 and drawn.random() < 0.95) for each in hard]
        b = [float(each < 0.7 and drawn.random() < 0.95) for each in hard]
        low, high = paired_difference(a, b)
        held += low <= 0.1 * 0.95 <= high
        (low_a, high_a), (low_b, high_b) = wilson(int(sum(a)), 40), wilson(int(sum(b)), 40)
        narrower += high - low < (high_a - low_b) - (low_a - high_b)
    assert 0.93 < held / 1500 <= 1
    assert narrower > 1490
    low, high = paired_difference([0.0] * 6, [0.0] * 6)
    assert low == -high == -wilson(0, 6)[1]
    assert paired_difference([1.0] * 9, [0.0] * 9)[1] == 1.0


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1))
def test_pairs_of_zeros_and_ones_mirror(pairs: list[tuple[float, float]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    low, high = paired_difference(a, b)
    difference = (sum(a) - sum(b)) / len(pairs)
    assert -1 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1
    mirrored = paired_difference(b, a)
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high))


def test_too_little_says_nothing_and_what_is_wrong_is_refused() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert mean_interval([3.0]) == (-math.inf, math.inf)
    assert paired_difference([], []) == (-math.inf, math.inf)
    for call in (
        lambda: wilson(3, 2),
        lambda: wilson(-1, 2),
        lambda: wilson(1, 2, 1.0),
        lambda: mean_interval([1.0, math.nan]),
        lambda: paired_difference([1.0], []),
    ):
        with pytest.raises(CallerError) as refused:
            call()
        assert refused.value.code == "invalid_interval"
