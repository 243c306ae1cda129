"""Block keys: equal only when what is done inside the block is equal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from steersman_vectors.errors import CallerError
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Linear, gate_reference
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
    changed = draw(st.sampled_from(["terms", "schedule", "turns", "edge", None]))
    parts = {"terms": a.terms, "schedule": a.schedule, "turns": a.turns}
    if changed == "edge":
        parts["turns"] = draw(shifted(a.turns))
    elif changed is not None:
        parts[changed] = getattr(other, changed)
    try:
        return a, SteeringPlan(**parts)
    except ValidationError:  # the edge was shifted over its neighbour
        reject()


@st.composite
def shifted(draw, turns):
    """The turns with one edge moved by one position."""
    edges = [(i, k) for i, turn in enumerate(turns) for k in (0, 1) if turn[k] is not None]
    if not edges:
        return turns
    i, k = draw(st.sampled_from(edges))
    moved = list(turns[i])
    moved[k] += draw(st.sampled_from([-1, 1]))
    return (*turns[:i], tuple(moved), *turns[i + 1 :])


@given(near_twins(), st.integers(0, 5))
def test_equal_keys_mean_equal_deltas(twins, k):
    a, b = twins
    key_a = block_key(a, k * BLOCK, (k + 1) * BLOCK)
    key_b = block_key(b, k * BLOCK, (k + 1) * BLOCK)
    if key_a == key_b:
        assert gates_in(a, k * BLOCK) == gates_in(b, k * BLOCK)
        if key_a is not None:
            assert a.terms == b.terms


@pytest.mark.parametrize("schedule", [CONSTANT, Linear(tokens=20)])
def test_every_single_turn_has_the_key_of_what_it_does_in_the_block(schedule):
    """At which offsets, and how far from the turn's start where the gate moves."""
    spans = [(s, e) for s in range(10) for e in range(s + 1, 11)] + [(s, None) for s in range(10)]
    key_of, done_by = {}, {}
    for start in (0, 3):
        for span in spans:
            plan = SteeringPlan(terms=((DIGESTS[0], 1.0),), schedule=schedule, turns=(span,))
            key = block_key(plan, start, start + BLOCK)
            done = tuple(gates_in(plan, start))
            assert key_of.setdefault(done, key) == key
            assert done_by.setdefault(key, done) == done
    assert done_by[None] == (None,) * BLOCK


def test_turns_that_touch_are_keyed_as_two():
    """Nothing is lost but a hit: turns of a conversation have a header between them."""
    one, two = (
        SteeringPlan(terms=((DIGESTS[0], 1.0),), turns=turns)
        for turns in (((0, 8),), ((0, 4), (4, 8)))
    )
    assert gates_in(one, 0) == gates_in(two, 0)
    assert block_key(one, 0, 8) != block_key(two, 0, 8)


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
