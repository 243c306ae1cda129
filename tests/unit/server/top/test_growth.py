"""Increases, quantiles and means against slow references that say the same in another way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.top.growth import Bucket, Growth, increase, mean, quantile
from steersman_server.top.history import History
from steersman_server.top.sample import restarted

from .scenes import made

EDGES = st.lists(
    st.integers(-40, 80).map(lambda n: n / 8), min_size=1, max_size=8, unique=True
).map(sorted)
COUNTS = st.lists(st.integers(0, 6), min_size=9, max_size=9)


def cumulated(bounds: Sequence[float], inside: Sequence[int]) -> list[Bucket]:
    found, total = [], 0
    for bound, count in zip([*bounds, math.inf], inside, strict=False):
        total += count
        found.append((bound, float(total)))
    return found


def slow_quantile(q: Fraction, bounds: Sequence[float], inside: Sequence[int]) -> Fraction | None:
    """Prometheus' rules on what is in each bucket, in exact numbers, by walking through them."""
    counts = list(inside[: len(bounds) + 1])
    if sum(counts) == 0:
        return None
    left = q * sum(counts)
    lower = Fraction(0)
    for i, (bound, count) in enumerate(zip(bounds, counts, strict=False)):
        if left <= count:
            if i == 0 and bound <= 0:
                return Fraction(bound)
            share = left / count if count else Fraction(1)
            return lower + (Fraction(bound) - lower) * share
        left, lower = left - count, Fraction(bound)
    return Fraction(bounds[-1])


@given(EDGES, COUNTS, st.integers(0, 100))
def test_quantile_agrees_with_the_slow_reference(
    bounds: list[float], inside: list[int], percent: int
) -> None:
    expected = slow_quantile(Fraction(percent, 100), bounds, inside)
    got = quantile(percent / 100, cumulated(bounds, inside))
    if expected is None:
        assert got is None
        return
    assert got is not None
    # At a bucket's edge rounding may choose the next one: then a share of a hair more decides.
    near = [slow_quantile(Fraction(percent, 100) + e, bounds, inside) for e in
            (Fraction(-1, 10**12), Fraction(0), Fraction(1, 10**12))]  # fmt: skip
    assert any(n is not None and got == pytest.approx(float(n), abs=1e-6) for n in near)


def test_quantile_of_what_prometheus_documents() -> None:
    """The example of 100 observations even over 0 to 1, and the last bucket's bound."""
    even = [(0.25, 25.0), (0.5, 50.0), (0.75, 75.0), (1.0, 100.0), (math.inf, 100.0)]
    assert quantile(0.9, even) == pytest.approx(0.9)
    assert quantile(0.5, [(1.0, 0.0), (math.inf, 10.0)]) == 1.0
    assert quantile(0.5, [(-2.0, 10.0), (1.0, 10.0), (math.inf, 10.0)]) == -2.0
    assert quantile(0.5, [(1.0, 10.0)]) is None
    assert quantile(0.5, []) is None


def test_a_bucket_that_was_scraped_too_early_is_put_right() -> None:
    assert quantile(0.5, [(1.0, 10.0), (2.0, 9.0), (math.inf, 10.0)]) == pytest.approx(0.5)


@given(EDGES, COUNTS)
def test_mean_is_that_of_the_middles(bounds: list[float], inside: list[int]) -> None:
    first = 0.0 if bounds[0] > 0 else bounds[0]
    edges = [first, *bounds]
    middles = [(a + b) / 2 for a, b in pairwise(edges)] + [bounds[-1]]
    spread = [m for m, n in zip(middles, inside, strict=False) for _ in range(n)]
    got = mean(cumulated(bounds, inside))
    if spread:
        assert got == pytest.approx(sum(spread) / len(spread))
    else:
        assert got is None


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30),
    st.integers(1, 7),
)
def test_no_restart_makes_a_counter_shrink_or_jump(
    steps: list[tuple[int, bool]], window: int
) -> None:
    """The history's rates and window against a list of what really happened.

    A restart is seen where the new count is below the old one; where it is not, nobody who looks
    at counts alone can see it, so such steps restart with nothing counted yet.
    """
    history, count = History(window_s=float(window)), 0.0
    grown: list[float] = []
    since = 0
    history.add(made(0, {"steering_requests_total": {(): 0.0}}))
    for at, (more, restart) in enumerate(steps, 1):
        before = count
        count = float(more) if restart else count + more
        seen = restart and count < before
        grown.append(count if seen else count - before)
        if restart and not seen:
            count = before + more  # as good as no restart
            grown[-1] = float(more)
        frame = history.add(made(at, {"steering_requests_total": {(("tenant", "a"),): count}}))
        assert frame is not None
        assert frame.load.requests_per_s == pytest.approx(grown[-1])
        (tenant,) = frame.tenants
        begin = max(at - window, since, 0)
        if seen:
            begin = at - 1
            since = at
        # A new window begins with a restart: at first it is that one step.
        assert tenant.requests == pytest.approx(sum(grown[begin:at]))


def test_increase() -> None:
    assert increase(None, 5.0) == 5.0
    assert increase(3.0, 5.0) == 2.0
    assert increase(9.0, 2.0) == 2.0


def test_what_the_server_does_not_have_is_not_zero() -> None:
    growth = Growth(made(0), made(1, {"steering_requests_total": {}}))
    assert growth.rate("steering_requests_total") == 0.0
    assert growth.rate("steering_refusals_total") is None
    assert growth.quantile(0.5, "steering_admission_seconds") is None


def test_a_gauge_that_falls_is_no_restart() -> None:
    gauge = "steering_rows_in_use"
    assert not restarted(made(0, {gauge: {(): 5.0}}), made(1, {gauge: {(): 2.0}}))
    counter = "steering_requests_total"
    assert restarted(made(0, {counter: {(): 5.0}}), made(1, {counter: {(): 2.0}}))
