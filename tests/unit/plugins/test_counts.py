"""What a worker counts, against a count of each token by itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.worker_counters import WorkerCounters
from tests.unit.plugins.plans import DIGESTS, plans
from tests.unit.plugins.test_engine_state import ROWS, VECTORS, make_state, plan_of
from vllm_steersman.counts import steered_tokens_reference
from vllm_steersman.route import route_reference

RESIDENT = dict(zip(DIGESTS, sorted(VECTORS), strict=False))


def over_residents(plan: SteeringPlan) -> SteeringPlan:
    terms = tuple((RESIDENT[digest], alpha) for digest, alpha in plan.terms)
    return SteeringPlan(terms=terms, schedule=plan.schedule, turns=plan.turns)


REQUESTS = st.lists(st.none() | plans().map(over_residents), min_size=1, max_size=ROWS)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["decode", "decode", "decode", "prefill", "back", "reverse", "leave"]),
        st.integers(1, 12),
        st.integers(1, 12),
    ),
    max_size=20,
)
"""What happens before each step, and by how much."""


@settings(max_examples=300, deadline=None)
@given(REQUESTS, MOVES)
def test_counted_as_it_routes_equals_counted_one_by_one(requests, moves):
    state = make_state()
    plan = {str(i): p for i, p in enumerate(requests)}
    for request_id, its in plan.items():
        if its is not None:
            state.add(request_id, its)
    position = dict.fromkeys(plan, 0)
    order = list(plan)
    tokens = 0
    for steps, (what, n, m) in enumerate(moves, 1):
        if what == "leave" and len(order) > 1:
            gone = order.pop(n % len(order))
            state.remove([gone])
        elif what == "reverse":
            order.reverse()
        elif what == "back":  # preempted, and resumed further back
            position[order[0]] = max(0, position[order[0]] - n)
        chunk = [1 + (n * k + m) % 12 if what == "prefill" else 1 for k in range(len(order))]
        computed = [position[i] for i in order]
        state.step(list(order), np.array(computed, np.int32), np.array(chunk, np.int32))
        tokens += steered_tokens_reference([plan[i] for i in order], computed, chunk)
        for request_id, done in zip(order, chunk, strict=True):
            position[request_id] += done
        told = state.counters()
        assert told.tokens == tokens
        assert told.unsteered_steps + told.routed_steps + told.settled_steps == steps


def test_the_reference_counts_positions_inside_of_turns():
    plan = plan_of("one", turns=((1, 3), (6, None)))
    assert steered_tokens_reference([plan, None], [0, 0], [9, 9]) == 2 + 3
    assert steered_tokens_reference([plan], [3], [3]) == 0
    assert [g for _, g in route_reference([plan], {plan.terms: 1}, [0], [3])] == [0.0, 1.0, 1.0]


def test_each_kind_of_step_is_counted_as_what_it_was():
    state = make_state()
    one = np.array([1], np.int32)
    state.step(["a"], np.array([0], np.int32), one)
    state.add("a", plan_of("one", turns=((2, None),)))
    for at in (1, 2, 3, 4):  # not yet, routed, and twice as it was
        state.step(["a"], np.array([at], np.int32), one)
    told = state.counters()
    kinds = (told.unsteered_steps, told.routed_steps, told.settled_steps, told.tokens)
    assert kinds == (1, 2, 2, 3)
    assert told.host_seconds > 0


def test_rows_in_use_follow_the_requests_that_are_known():
    state = make_state()
    step = np.array([0, 0, 0], np.int32), np.array([1, 1, 1], np.int32)
    for request_id, alpha in (("a", 1.0), ("b", 2.0), ("c", 1.0)):
        state.add(request_id, plan_of("one", alpha=alpha))
    assert state.rows_in_use == 0  # none has run yet
    state.step(["a", "b", "c"], *step)
    assert state.rows_in_use == state.high_water == 2
    state.remove(["b"])
    assert (state.rows_in_use, state.high_water) == (1, 2)
    state.remove(["a", "c"])
    assert state.rows_in_use == 0


def test_loads_count_what_was_made_resident_and_survive_the_wire():
    state = make_state()
    again = native.dumps(next(iter(VECTORS.values())))
    state.resident.load(again)
    told = state.counters()
    assert told.loads == len(VECTORS)
    assert told.load_seconds > 0
    assert WorkerCounters.of(told.as_json()) == told
