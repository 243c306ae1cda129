"""Block keys: equal exactly when what is done inside the block is equal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import Linear, gate_reference
from tests.unit.plugins.plans import DIGESTS, plans
from vllm_steersman.prefix_cache import block_key, steering_hash_keys

BLOCK = 8


def gates_in(plan: SteeringPlan, start: int) -> list[float | None]:
    """Gate at each offset of the block, None where it is not steered at all."""
    out: list[float | None] = [None] * BLOCK
    for turn_start, turn_end in plan.turns or ():
        for p in range(start, start + BLOCK):
            if plan.terms and turn_start <= p and (turn_end is None or p < turn_end):
                out[p - start] = gate_reference(plan.schedule, p - turn_start)
    return out


@given(plans(), st.integers(0, 9))
def test_an_unsteered_block_keeps_the_stock_key(plan, k):
    steered = any(g is not None for g in gates_in(plan, k * BLOCK))
    assert (block_key(plan, k * BLOCK, (k + 1) * BLOCK) is not None) == steered


@st.composite
def near_twins(draw) -> tuple[SteeringPlan, SteeringPlan]:
    """Two plans that differ in one part, or in none."""
    a, other = draw(plans()), draw(plans())
    changed = draw(st.sampled_from(["terms", "schedule", "turns", None]))
    parts = {"terms": a.terms, "schedule": a.schedule, "turns": a.turns}
    if changed is not None:
        parts[changed] = getattr(other, changed)
    return a, SteeringPlan(**parts)


@given(near_twins(), st.integers(0, 5))
def test_equal_keys_mean_equal_deltas(twins, k):
    a, b = twins
    key_a = block_key(a, k * BLOCK, (k + 1) * BLOCK)
    key_b = block_key(b, k * BLOCK, (k + 1) * BLOCK)
    if key_a == key_b:
        assert gates_in(a, k * BLOCK) == gates_in(b, k * BLOCK)
        if key_a is not None:
            assert a.terms == b.terms


def test_a_constant_plan_shares_a_block_whatever_the_turn_start():
    early = SteeringPlan(terms=((DIGESTS[0], 1.0),), turns=((0, None),))
    late = SteeringPlan(terms=((DIGESTS[0], 1.0),), turns=((5, None),))
    assert block_key(early, 8, 16) == block_key(late, 8, 16)


def test_a_moving_plan_does_not():
    early = SteeringPlan(terms=((DIGESTS[0], 1.0),), schedule=Linear(tokens=9), turns=((0, None),))
    late = early.with_turns(((5, None),))
    assert block_key(early, 8, 16) != block_key(late, 8, 16)


def test_requests_without_a_plan_get_no_key():
    for params in (None, SimpleNamespace(extra_args=None), SimpleNamespace(extra_args={"x": 1})):
        assert steering_hash_keys(SimpleNamespace(sampling_params=params), 0, 8) == []


def test_a_plan_that_is_none_is_refused_while_the_request_is_accepted():
    request = SimpleNamespace(
        sampling_params=SimpleNamespace(extra_args={"steering": {"terms": 1}})
    )
    with pytest.raises(CallerError, match="invalid steering plan"):
        steering_hash_keys(request, 0, 8)
