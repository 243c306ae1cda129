"""Gates: held by the worse end, honest about what prompts cannot decide, rarely passed by luck."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.calibrate.gates import (
    Bounds,
    check_prompts,
    decide,
    failed_by,
    gates_of,
    least_prompts,
    prompts_to_decide,
    why_not,
)
from steersman_vectors.calibrate.record import Estimate, Gate, MeasureTold, Point
from steersman_vectors.errors import CallerError
from steersman_vectors.intervals import paired_shares, wilson

SHARE = MeasureTold(better="lower", unit="share", low=0, high=1)
KL = MeasureTold(better="lower", unit="nats/token", low=0, high=None)
numbers = st.floats(-2, 2)


@given(st.lists(numbers, min_size=3, max_size=3), numbers, st.booleans())
def test_a_gate_is_decided_by_the_interval_alone(ends, bound, is_most):
    low, value, high = sorted(ends)
    estimate = Estimate(value=value, low=low, high=high, n=9)
    gate = Gate(
        measure="m", compared="absolute",
        at_most=bound if is_most else None, at_least=None if is_most else bound,
    )  # fmt: skip
    inside = [(x <= bound) if is_most else (x >= bound) for x in (low, high)]
    expected = "passed" if all(inside) else "failed" if not any(inside) else "undecided"
    assert decide(gate, estimate) == expected


@given(st.floats(0.005, 0.5))
def test_the_least_prompts_are_the_fewest_that_can_pass(bound):
    absolute = Gate(measure="d", compared="absolute", at_most=bound)
    n = least_prompts(absolute, SHARE)
    assert wilson(0, n)[1] <= bound < wilson(0, n - 1)[1]
    falls = Gate(measure="f", compared="change", at_least=-bound)
    n = least_prompts(falls, SHARE)
    assert -paired_shares(n, 0, 0, 0)[0] <= bound < -paired_shares(n - 1, 0, 0, 0)[0]
    assert least_prompts(Gate(measure="kl", compared="absolute", at_most=bound), KL) == 2


def test_the_documented_numbers_of_prompts_hold():
    def absolute(bound):
        return least_prompts(Gate(measure="d", compared="absolute", at_most=bound), SHARE)

    def change(bound):
        return least_prompts(Gate(measure="d", compared="change", at_least=-bound), SHARE)

    assert (absolute(0.05), absolute(0.02)) == (73, 189)
    assert (change(0.05), change(0.02)) == (73, 189)


@pytest.mark.parametrize("rate", [0.05, 0.08])
def test_a_rate_at_the_bound_passes_one_time_in_forty_at_most(rate):
    """4,000 draws of 200 answers: 95% two-sided leaves 2.5%; of a rate beyond the bound, less."""
    random = Random(7)
    gate = gates_of(Bounds(), facts=False, unsafe=False)[0]
    passed = 0
    for _ in range(4000):
        broken = sum(random.random() < rate for _ in range(200))
        low, high = wilson(broken, 200)
        passed += decide(gate, Estimate(value=broken / 200, low=low, high=high, n=200)) == "passed"
    assert passed / 4000 <= (0.03 if rate == 0.05 else 0.001)


def test_few_prompts_are_refused_before_anything_is_asked():
    gates = gates_of(Bounds(), facts=True, unsafe=False)
    told = {"degenerate": SHARE, "refusal": SHARE, "facts": SHARE, "kl": KL}
    there = {"degenerate": 200, "refusal": 200, "facts": 72, "kl": 200}
    option = dict.fromkeys(told, "--prompts") | {"facts": "--facts"}
    with pytest.raises(CallerError, match=r"facts .* takes 73 prompts .* --facts gives 72") as no:
        check_prompts(gates, told, there, option)
    assert no.value.code == "too_few_prompts"
    check_prompts(gates, told, there | {"facts": 73}, option)


def test_why_not_says_what_was_seen_and_how_many_prompts_would_decide():
    gates = gates_of(Bounds(), facts=False, unsafe=False)
    low, high = wilson(2, 80)
    seen = {
        "degenerate": Estimate(value=2 / 80, low=low, high=high, n=80),
        "kl": Estimate(value=3.0, low=2.5, high=3.5, n=80),
    }
    failed = failed_by(gates, seen, {})
    assert failed == ("degenerate", "kl", "refusal")
    point = Point(layers=(1,), layer_set="1", alpha=1, figures=seen, changes={}, failed=failed)
    said = why_not(gates, point)
    assert "degenerate 0.025 (" in said
    assert "which 80 prompts do not decide; about" in said
    assert "kl 3 (2.5 to 3.5), gate: at most 0.1" in said
    assert "refusal cannot be judged there" in said
    more = prompts_to_decide(gates[0], seen["degenerate"])
    assert more is not None
    assert wilson(round(more / 40), more)[1] <= 0.055


@pytest.mark.parametrize(
    "bounds",
    [Bounds(degenerate=0.0), Bounds(kl=-1), Bounds(facts_drop=1.0), Bounds(kl=float("inf"))],
)
def test_bounds_that_mean_nothing_are_refused(bounds):
    with pytest.raises(CallerError) as refused:
        gates_of(bounds, facts=True, unsafe=True)
    assert refused.value.code == "invalid_gate"


def test_a_gate_that_is_off_is_not_there():
    off = Bounds(None, None, None, None, None)
    assert gates_of(off, facts=True, unsafe=True) == ()
    assert [g.measure for g in gates_of(Bounds(), facts=True, unsafe=True)] == [
        "degenerate", "kl", "refusal", "facts", "refusal:unsafe",
    ]  # fmt: skip
