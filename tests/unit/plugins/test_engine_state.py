"""A worker's steering state under random traffic, against the definition token by token."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest
import torch

from steersman_vectors.errors import InternalError
from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Exponential, Linear
from steersman_vectors.vector import from_differences
from vllm_steersman.attach import SteeringBuffers, steer, steer_by_norm
from vllm_steersman.engine_state import EngineState
from vllm_steersman.resident import ResidentVectors
from vllm_steersman.route import route_reference

HIDDEN, LAYERS, ROWS, TOKENS = 8, (0, 2), 3, 64
ELSEWHERE = 4
"""A steered layer of another pipeline rank."""


def make_vectors():
    rng = np.random.default_rng(0)
    made = [
        from_differences({0: rng.normal(size=HIDDEN)}, name="one", scale="raw"),
        from_differences(
            {0: rng.normal(size=HIDDEN), 2: rng.normal(size=HIDDEN)}, name="two", scale="unit"
        ),
        from_differences({ELSEWHERE: rng.normal(size=HIDDEN)}, name="elsewhere", scale="unit"),
        from_differences({2: rng.normal(size=HIDDEN)}, name="token", scale="token"),
    ]
    return {native.digest(native.dumps(v)): v for v in made}


VECTORS = make_vectors()
DIGEST_OF = {vector.card.name: digest for digest, vector in VECTORS.items()}


def make_state() -> EngineState:
    buffers = SteeringBuffers(
        rows=torch.zeros(len(LAYERS), ROWS + 1, HIDDEN),
        token_row=torch.zeros(TOKENS, dtype=torch.int64),
        token_gate=torch.zeros(TOKENS, 1),
        layers=LAYERS,
        token_rows=torch.zeros(len(LAYERS), ROWS + 1, HIDDEN),
    )
    resident = ResidentVectors(HIDDEN, (*LAYERS, ELSEWHERE), local=LAYERS, token_scale=True)
    for vector in VECTORS.values():
        resident.load(native.dumps(vector))
    return EngineState(buffers, resident, ROWS)


SLOTS = 6


def random_plan(rng: Random) -> SteeringPlan | None:
    """One request in six is unsteered; turns are close, so that traffic crosses their edges."""
    if rng.random() < 1 / 6:
        return None
    turns, at = [], 0
    for _ in range(rng.randrange(3)):
        start = at + rng.randrange(6)
        at = start + rng.randrange(1, 6)
        turns.append((start, at))
    if rng.random() < 0.8:
        turns.append((at + rng.randrange(6), None))
    floor = rng.choice([0.0, 0.25, 1.0])
    linear = Linear(tokens=rng.randrange(1, 9), floor=floor)
    exponential = Exponential(half_life_tokens=rng.choice([0.02, 3.0]), floor=floor)
    return SteeringPlan(
        terms=tuple((d, rng.uniform(-3, 3)) for d in rng.sample(sorted(VECTORS), rng.randrange(3))),
        schedule=rng.choice([CONSTANT, CONSTANT, linear, linear, exponential]),
        turns=tuple(turns),
    )


@pytest.mark.parametrize("decode_only", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_every_token_gets_its_own_delta(seed, decode_only):
    """Requests join, pause, finish, are preempted and resume further back, between dummy runs."""
    rng = Random(seed)
    for _ in range(20):
        check_traffic(rng, decode_only)


def check_traffic(rng: Random, decode_only: bool) -> None:
    state = make_state()
    plan: dict[str, SteeringPlan | None] = {}
    position: dict[str, int] = {}
    running: list[str] = []
    order: list[str] = []
    """vLLM edits one list in place."""
    for born in range(30):
        if rng.random() < 0.3 or not plan:
            request_id = str(born)
            plan[request_id] = random_plan(rng)
            position[request_id] = rng.randrange(6) if decode_only else 0
            if plan[request_id] is not None:
                state.add(request_id, plan[request_id])
        if rng.random() < 0.15:
            gone = rng.choice(sorted(plan))
            state.remove([gone])
            del plan[gone], position[gone]
        if rng.random() < 0.15 and plan:
            preempted = rng.choice(sorted(plan))
            position[preempted] = max(0, position[preempted] - rng.randrange(12))
        if rng.random() < 0.05:
            state.clear()
            assert not state.buffers.token_row.any()
            assert not state.buffers.token_gate.any()
        if rng.random() < 0.4 or not set(running) <= set(plan):
            running = rng.sample(sorted(plan), min(len(plan), rng.randrange(1, ROWS + 1)))
        if not running:
            continue
        chunk = [1 if decode_only else rng.randrange(1, 10) for _ in running]
        computed = np.array([position[i] for i in running], dtype=np.int32)
        order[:] = running
        state.step(order, computed, np.array(chunk, dtype=np.int32))
        check(state, [plan[i] for i in running], computed.tolist(), chunk)
        for request_id, n in zip(running, chunk, strict=True):
            position[request_id] += n


def check(state, plans, computed, scheduled):
    keys = {p.terms: i for i, p in enumerate(plans) if p is not None}
    expected = route_reference(plans, keys, computed, scheduled)
    owner = [i for i, n in enumerate(scheduled) for _ in range(n)]
    hidden = torch.randn(TOKENS, HIDDEN)
    for k, layer_idx in enumerate(LAYERS):
        where = (state.buffers.token_row, state.buffers.token_gate)
        got = steer(hidden, state.buffers.rows[k], *where)
        got = steer_by_norm(got, hidden, state.buffers.token_rows[k], *where)
        want = hidden.clone()
        for t, (_, gate) in enumerate(expected):
            plan = plans[owner[t]]
            for digest, alpha in plan.terms if plan else ():
                vector = VECTORS[digest]
                if layer_idx in vector.directions:
                    unit = hidden[t].norm() if vector.card.scale == "token" else 1.0
                    want[t] += gate * unit * torch.tensor(vector.delta(layer_idx, alpha))
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


def plan_of(*names: str, alpha: float = 1.0, turns=((0, None),)) -> SteeringPlan:
    return SteeringPlan(terms=tuple((DIGEST_OF[name], alpha) for name in names), turns=turns)


@pytest.mark.parametrize("last", [([3, 6], [1, 1]), ([0, 6], [5, 1])], ids=["decode", "prefill"])
@pytest.mark.parametrize("companion", [None, plan_of("two", alpha=-2.0)], ids=["alone", "both"])
def test_an_id_that_comes_again_has_its_new_plan(companion, last):
    """In the same place of the same order of ids, so that nothing but its coming tells."""
    options = (None, plan_of("one"), plan_of("two", "token", turns=((2, None),)))
    for first, again in product(options, options):
        state = make_state()
        if companion is not None:
            state.add("b", companion)
        if first is not None:
            state.add("a", first)
        for at in (4, 5):
            state.step(["a", "b"], np.array([at, at], np.int32), np.array([1, 1], np.int32))
            check(state, [first, companion], [at, at], [1, 1])
        state.remove(["a"])
        if again is not None:
            state.add("a", again)
        computed, scheduled = last
        state.step(["a", "b"], np.array(computed, np.int32), np.array(scheduled, np.int32))
        check(state, [again, companion], computed, scheduled)


@pytest.mark.parametrize("newcomer", ["elsewhere", "one", "token"])
def test_a_row_taken_over_keeps_nothing_of_the_plan_before(newcomer):
    """Also where the new plan has nothing on this rank, or in one of the two kinds of rows."""
    state = make_state()
    for i in range(ROWS):  # every row, of both kinds
        plan = plan_of("two", "token", alpha=1.0 + i)
        state.add(str(i), plan)
        state.step([str(i)], np.array([0], np.int32), np.array([2], np.int32))
        check(state, [plan], [0], [2])
        state.remove([str(i)])
    plan = plan_of(newcomer)
    state.add("new", plan)
    state.step(["new"], np.array([0], np.int32), np.array([2], np.int32))
    check(state, [plan], [0], [2])


def test_finished_requests_leave_nothing_behind():
    state = make_state()
    digest = next(iter(VECTORS))
    for i in range(500):
        plan = SteeringPlan(terms=((digest, 1.0 + i),), turns=((0, None),))
        state.add(str(i), plan)
        state.step([str(i)], np.array([0], np.int32), np.array([5], np.int32))
        state.remove([str(i)])
    state.step(["other"], np.array([0], np.int32), np.array([9], np.int32))
    assert state.active_requests == 0
    assert not state.buffers.token_row.any()
    assert not state.buffers.token_gate.any()
    assert state.high_water == 1


def test_a_settled_decode_batch_is_left_alone():
    state = make_state()
    digest = next(iter(VECTORS))
    state.add("a", SteeringPlan(terms=((digest, 1.0),), turns=((4, None),)))
    state.step(["a"], np.array([0], np.int32), np.array([5], np.int32))
    state.step(["a"], np.array([5], np.int32), np.array([1], np.int32))
    state.buffers.token_gate[0] = 7.0  # a second write would put 1 back
    state.step(["a"], np.array([6], np.int32), np.array([1], np.int32))
    assert state.buffers.token_gate[0] == 7.0
    state.step(["a", "b"], np.array([7, 0], np.int32), np.array([1, 1], np.int32))
    assert state.buffers.token_gate[:2, 0].tolist() == [1.0, 0.0]


def test_a_settled_request_that_starts_again_is_routed_anew():
    """Preempted and resumed within a step, with one token of budget: same batch, other position."""
    state = make_state()
    digest = next(iter(VECTORS))
    state.add("a", SteeringPlan(terms=((digest, 1.0),), turns=((4, None),)))
    state.step(["a"], np.array([6], np.int32), np.array([1], np.int32))
    state.step(["a"], np.array([7], np.int32), np.array([1], np.int32))
    state.step(["a"], np.array([0], np.int32), np.array([1], np.int32))
    assert state.buffers.token_gate[0] == 0.0
    state.step(["a"], np.array([4], np.int32), np.array([1], np.int32))
    assert state.buffers.token_gate[0] == 1.0


def test_a_row_that_could_not_be_written_is_not_taken_for_written():
    state = make_state()
    good, bad = DIGEST_OF["one"], "sha256:" + "0" * 64
    state.add("a", SteeringPlan(terms=((bad, 1.0),), turns=((0, None),)))
    state.add("b", SteeringPlan(terms=((good, 1.0),), turns=((0, None),)))
    for order in (["a", "b"], ["b", "a"]):
        with pytest.raises(InternalError):
            state.step(order, np.array([0, 0], np.int32), np.array([1, 1], np.int32))
    state.remove(["a"])
    state.step(["b"], np.array([0], np.int32), np.array([1], np.int32))
    assert state.buffers.rows[:, state.buffers.token_row[0]].any()


def test_a_vector_that_is_not_resident_is_our_mistake():
    state = make_state()
    state.add("a", SteeringPlan(terms=(("sha256:" + "0" * 64, 1.0),), turns=((0, None),)))
    with pytest.raises(InternalError, match="not resident"):
        state.step(["a"], np.array([0], np.int32), np.array([1], np.int32))
    assert len(state.pool) == 0
