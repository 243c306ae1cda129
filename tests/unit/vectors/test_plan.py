from __future__ import annotations

import json
from contextlib import suppress
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.plan import SteeringPlan, clip, decode_plan
from steersman_vectors.schedule import CONSTANT, Linear

from .samples import FP_A, FP_B

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
TERMS = st.lists(
    st.tuples(
        st.sampled_from([FP_A, FP_B]),
        st.sampled_from([-1.5, -0.5, 0.0, 0.25, 1.0, 0.1, 0.2, 0.3, -0.7]),
    ),
    max_size=5,
)


@st.composite
def turns(draw: st.DrawFn) -> tuple[tuple[int, int | None], ...]:
    edges = sorted(draw(st.sets(st.integers(0, 60), max_size=8)))
    closed = list(zip(edges[::2], edges[1::2], strict=False))
    tail = [(edges[-1], None)] if len(edges) % 2 else []
    return (*closed, *tail)


@given(TERMS, turns())
def test_a_plan_survives_its_wire_form(terms: Any, spans: Any) -> None:
    plan = SteeringPlan(terms=tuple(terms), turns=spans)
    wire = json.loads(json.dumps(plan.to_wire()))
    assert decode_plan(wire) == plan
    assert decode_plan(wire).digest == plan.digest


@given(TERMS, st.randoms())
def test_order_and_zero_terms_do_not_change_the_digest(terms: Any, random: Any) -> None:
    plan = SteeringPlan(terms=tuple(terms), scope="all")
    shuffled = [*terms, (FP_A, 0.0)]
    random.shuffle(shuffled)
    other = SteeringPlan(terms=tuple(shuffled), scope="generation")
    assert (plan.terms, plan.digest) == (other.terms, other.digest)


@pytest.mark.parametrize("alphas", [(0.1, 0.2, 0.3), (1e6, -1e6, 1e-12), (0.1, 0.2, -0.3)])
def test_equal_digests_are_summed_alike_in_any_order(alphas: tuple[float, ...]) -> None:
    plans = [
        SteeringPlan(terms=tuple((FP_A, alpha) for alpha in order), scope="all")
        for order in permutations(alphas)
    ]
    assert len({plan.terms for plan in plans}) == 1
    assert len({plan.digest for plan in plans}) == 1


def test_the_schedule_changes_the_digest_but_not_the_row() -> None:
    plans = [
        SteeringPlan(terms=((FP_A, 1.0),), scope="all", schedule=schedule)
        for schedule in (CONSTANT, Linear(tokens=5), Linear(tokens=6))
    ]
    assert len({plan.digest for plan in plans}) == 3
    assert len({plan.terms for plan in plans}) == 1


@given(turns(), st.integers(0, 70), st.integers(0, 70))
def test_clipping_equals_position_by_position(spans: Any, start: int, end: int) -> None:
    fast = [(p, t) for t, first, stop in clip(spans, start, end) for p in range(first, stop)]
    slow = [(p, s) for p in range(start, end) for s, e in spans if s <= p and (e is None or p < e)]
    assert fast == slow


def test_a_block_of_a_long_conversation_looks_at_its_own_turns_only() -> None:
    """All blocks of a prompt are asked for, and the engine's core waits for it."""

    class Counted(tuple):
        looked_at = 0

        def __getitem__(self, k: Any) -> Any:
            Counted.looked_at += 1
            return super().__getitem__(k)

    turns = Counted((10 * i, 10 * i + 5) for i in range(2000))
    blocks = range(0, 20_000, 16)
    steered = sum(len(list(clip(turns, at, at + 16))) for at in blocks)
    assert steered >= 2000
    assert Counted.looked_at < 16 * len(blocks)


@pytest.mark.parametrize(
    "spans",
    [((3, 3),), ((5, 4),), ((0, None), (5, 6)), ((3, 6), (5, 8)), ((6, 8), (1, 2)), ((-1, 4),)],
)
def test_turns_that_are_refused(spans: Any) -> None:
    with pytest.raises(CallerError, match="invalid steering plan"):
        decode_plan({"terms": [], "turns": spans})


KEYS = {"turns": JSON, "scope": JSON, "schedule": JSON | st.fixed_dictionaries({"kind": JSON})}


@given(JSON | st.fixed_dictionaries({"terms": JSON}, optional=KEYS))
def test_any_wire_value_is_a_plan_or_a_caller_error(wire: Any) -> None:
    with suppress(CallerError):
        assert decode_plan(decode_plan(wire).to_wire()) == decode_plan(wire)


def test_what_is_summed_stays_in_range() -> None:
    """It passed, and its canonical form was refused later, inside of the engine."""
    with pytest.raises(CallerError, match="alpha 1000001 is out of range"):
        decode_plan({"terms": [[FP_A, 1.0], [FP_A, 1e6]], "scope": "all"})


@pytest.mark.parametrize("order", [(1, 1, -1, -1), (1, -1, 1, -1)])
def test_each_alpha_is_in_range_also_where_others_make_up_for_it(order: tuple[int, ...]) -> None:
    """Sums of such could overflow, or not, by their order."""
    with pytest.raises(CallerError, match="is out of range"):
        decode_plan({"terms": [[FP_A, sign * 1e308] for sign in order], "scope": "all"})
