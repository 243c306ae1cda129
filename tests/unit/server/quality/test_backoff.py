"""When a tenant is backed off: against a slow reference, and on simulated traffic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from steersman_server.quality.backoff import next_scale, wilson_low
from steersman_server.quality.window import SLICES, Counts, Standing, TenantWindow
from steersman_server.tenants.backoff import BackoffPolicy
from tests.unit.server.quality.backoff_reference import Answered, Cleared, scales_after

POLICIES = st.builds(
    BackoffPolicy,
    max_degenerate_rate=st.sampled_from([0.02, 0.05, 0.25, 0.5]),
    window_s=st.sampled_from([10.0, 60.0, 601.5]),
    min_answers=st.integers(5, 12),
    factor=st.sampled_from([0.3, 0.5, 0.9]),
    floor=st.sampled_from([0.1, 0.25, 1.0]),
    cooldown_s=st.sampled_from([0.0, 1.0, 40.0]),
)


def fast(policy: BackoffPolicy, events: list[Answered | Cleared]) -> list[float]:
    """Returns what is in force after each event, as a process finds it."""
    window = TenantWindow(policy.window_s, Standing(1.0, 0), -math.inf)
    found, revision = [], 0
    for event in events:
        if isinstance(event, Cleared):
            revision = max(revision, event.revision)
            window.follow(policy.window_s, Standing(1.0, revision), event.at)
        elif window.add(
            event.at, scale=event.scale, revision=event.revision, degenerate=event.degenerate
        ):
            scale = window.standing.scale
            idle_s = event.at - window.changed_at
            lower = next_scale(policy, window.counts(event.at), scale, idle_s)
            if lower is not None:
                window.follow(policy.window_s, Standing(lower, revision), event.at)
        found.append(window.standing.scale)
    return found


@st.composite
def histories(draw):
    """A policy and events in order of time, most of them answered under what is in force."""
    policy = draw(POLICIES)
    rate = draw(st.sampled_from([0.0, 0.3, 1.0]))
    gaps = st.sampled_from([0.0, 0.01, 0.3, 1.0, 5.0, policy.window_s / 60, policy.window_s])
    at, revision, events, scale = 0.0, 0, [], 1.0
    for _ in range(draw(st.integers(1, 60))):
        at += draw(gaps)
        kind = draw(st.integers(0, 29))
        if kind == 0:
            revision += 1
            events.append(Cleared(at, revision))
        else:
            late = kind == 1
            degenerate = draw(st.floats(0, 1)) < rate
            events.append(Answered(at, draw(st.sampled_from([1.0, scale])) if late else scale,
                                   draw(st.integers(0, revision)) if late else revision,
                                   degenerate))  # fmt: skip
        scale = fast(policy, events)[-1]
    return policy, events


@settings(max_examples=200, deadline=None)
@given(histories())
def test_it_does_what_recounting_everything_says(history):
    policy, events = history
    assert fast(policy, events) == scales_after(policy, events)


@settings(max_examples=300, deadline=None)
@given(
    POLICIES, st.integers(0, 400), st.integers(0, 400), st.floats(0, 1, width=32), st.floats(0, 1e4)
)
def test_a_step_is_always_down(policy, answers, degenerate, scale, idle_s):
    counts = Counts(answers, min(answers, degenerate))
    lower = next_scale(policy, counts, scale, idle_s)
    assert lower is None or (0.0 <= lower < scale and (lower == 0.0 or lower >= policy.floor))


@pytest.mark.parametrize(
    ("counts", "scale", "idle_s", "expected"),
    [
        (Counts(20, 20), 1.0, math.inf, 0.5),
        (Counts(20, 20), 1.0, 300.0, 0.5),
        (Counts(20, 20), 1.0, 299.9, None),  # too soon after the last
        (Counts(19, 19), 1.0, math.inf, None),  # too few
        (Counts(20, 20), 0.5, math.inf, 0.25),
        (Counts(20, 20), 0.25, math.inf, 0.0),  # below the floor
        (Counts(20, 20), 0.0, math.inf, None),
        (Counts(20, 1), 1.0, math.inf, None),
        (Counts(20, 4), 1.0, math.inf, None),  # four times the limit, and yet chance
        (Counts(20, 5), 1.0, math.inf, 0.5),
        (Counts(1000, 50), 1.0, math.inf, None),  # at the limit
        (Counts(1000, 73), 1.0, math.inf, 0.5),
    ],
)
def test_the_defaults(counts, scale, idle_s, expected):
    assert next_scale(BackoffPolicy(max_degenerate_rate=0.05), counts, scale, idle_s) == expected


def test_wilsons_interval_is_wilsons():
    """Table 1 of Newcombe 1998 (Statistics in Medicine 17), method 3: 95%."""
    z = 1.959964
    for hits, of, low in ((81, 263, 0.2553), (15, 148, 0.0624), (0, 20, 0.0), (1, 29, 0.0061)):
        assert wilson_low(hits, of, z) == pytest.approx(low, abs=5e-5)
    assert wilson_low(0, 0) == 0.0


def test_a_window_remembers_no_more_than_its_slices():
    window = TenantWindow(60.0, Standing(1.0, 0), -math.inf)
    for k in range(50_000):
        window.add(k * 0.01, scale=1.0, revision=0, degenerate=k % 10 == 0)
    assert len(window._slices) <= SLICES
    counts = window.counts(499.99)
    assert 5900 <= counts.answers <= 6000
    assert counts.degenerate == counts.answers // 10
    assert window.counts(1000.0) == Counts()


def run(policy, rate, rng, answers, every_s):
    """Returns the number of the answer after which the tenant is backed off; None for never."""
    window = TenantWindow(policy.window_s, Standing(1.0, 0), -math.inf)
    for number, degenerate in enumerate(rng.random(answers) < rate, start=1):
        at = number * every_s
        window.add(at, scale=1.0, revision=0, degenerate=bool(degenerate))
        if next_scale(policy, window.counts(at), 1.0, math.inf) is not None:
            return number
    return None


@pytest.mark.parametrize("limit", [0.02, 0.05, 0.1])
def test_healthy_traffic_is_left_alone(limit):
    """Half the limit, 200 answers in the window: 60 runs of 2,000 answers, seeded."""
    rng = np.random.default_rng(6)
    policy = BackoffPolicy(max_degenerate_rate=limit)
    steps = [run(policy, limit / 2, rng, 2_000, every_s=3.0) for _ in range(60)]
    alarms = sum(step is not None for step in steps)
    assert alarms <= {0.02: 3, 0.05: 1, 0.1: 1}[limit]


@pytest.mark.parametrize(
    ("limit", "median", "at_most"), [(0.02, 130, 1000), (0.05, 60, 400), (0.1, 40, 200)]
)
def test_bad_traffic_is_met_soon(limit, median, at_most):
    """Three times the limit, 200 answers in the window: 100 runs, seeded."""
    rng = np.random.default_rng(6)
    policy = BackoffPolicy(max_degenerate_rate=limit)
    steps = [run(policy, 3 * limit, rng, at_most, every_s=3.0) for _ in range(100)]
    assert None not in steps
    assert np.median(steps) <= median


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"max_degenerate_rate": 0}, {"max_degenerate_rate": 1}, {"max_degenerate_rate": "x"},
        {"factor": 1}, {"factor": 0}, {"floor": 0}, {"floor": 1.1}, {"min_answers": 4},
        {"min_answers": 20.5}, {"window_s": 9}, {"cooldown_s": -1}, {"more": 1},
        {"window_s": math.inf}, {"window_s": math.nan},
    ],
)  # fmt: skip
def test_what_no_policy_may_say(fields):
    base = {"max_degenerate_rate": 0.05} if fields else {}
    with pytest.raises(ValidationError):
        BackoffPolicy.model_validate({**base, **fields})
