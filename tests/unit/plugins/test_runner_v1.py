"""The V1 adapter on a plain runner: what it tells the engine state, and in which order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.unit.plugins.test_engine_state import (
    DIGEST_OF,
    LAYERS,
    TOKENS,
    VECTORS,
    check,
    make_state,
    plan_of,
)
from tests.unit.plugins.test_readout import reading_state
from vllm_steersman import boot, runner_v1

FIRST, AGAIN = plan_of("one"), plan_of("two", "token", alpha=-2.0)


@pytest.fixture
def runner():
    made = SimpleNamespace(input_batch=SimpleNamespace(req_ids=[]))
    setattr(made, boot._STATE, make_state())
    return made


def step(runner, requests, *, new=None, finished=()):
    """One step: `requests` by id with (first position, tokens), as the scheduler puts it."""
    output = SimpleNamespace(
        finished_req_ids=set(finished),
        scheduled_new_reqs=[
            SimpleNamespace(req_id=request_id, sampling_params=params_of(plan))
            for request_id, plan in (new or {}).items()
        ],
    )
    runner_v1.after_update_states(runner, output)
    runner.input_batch.req_ids[:] = requests
    computed = np.full(TOKENS, 99, dtype=np.int32)  # longer than the batch, as vLLM's
    computed[: len(requests)] = [at for at, _ in requests.values()]
    runner.input_batch.num_computed_tokens_cpu = computed
    runner_v1.after_prepare_inputs(
        runner, output, np.array([n for _, n in requests.values()], dtype=np.int32)
    )


def params_of(plan):
    extra_args = {"other": 1} if plan is None else {"steering": plan.to_wire()}
    return SimpleNamespace(extra_args=extra_args)


@pytest.mark.parametrize("again", [AGAIN, None])
def test_an_id_that_ends_and_comes_again_in_one_step_has_its_new_plan(runner, again):
    state = boot.state_of(runner)
    step(runner, {"a": (0, 4), "b": (0, 3)}, new={"a": FIRST, "b": None})
    check(state, [FIRST, None], [0, 0], [4, 3])
    step(runner, {"a": (0, 5), "b": (3, 1)}, new={"a": again}, finished=["a"])
    check(state, [again, None], [0, 3], [5, 1])
    step(runner, {"b": (4, 1)}, finished=["a", "never seen"])
    check(state, [None], [4], [1])
    assert state.active_requests == 0


def test_a_dummy_run_is_not_steered_and_what_follows_is(runner):
    state = boot.state_of(runner)
    step(runner, {"a": (0, 4)}, new={"a": FIRST})
    assert state.buffers.token_row[:4].all()
    runner_v1.before_dummy_run(runner, TOKENS)
    assert not state.buffers.token_row.any()
    assert not state.buffers.token_gate.any()
    step(runner, {"a": (4, 1)})
    check(state, [FIRST], [4], [1])


@pytest.mark.parametrize("params", [None, SimpleNamespace(extra_args=None), params_of(None)])
def test_requests_without_a_plan_are_not_tracked(runner, params):
    new = SimpleNamespace(req_id="a", sampling_params=params)
    runner_v1.after_update_states(
        runner, SimpleNamespace(finished_req_ids=set(), scheduled_new_reqs=[new])
    )
    assert boot.state_of(runner).active_requests == 0


def test_an_engine_without_steering_is_left_alone():
    nothing = object()
    runner_v1.after_update_states(nothing, None)
    runner_v1.after_prepare_inputs(nothing, None, None)
    runner_v1.before_dummy_run(nothing)


def test_where_something_is_read_it_is_told_of_the_step_and_of_who_is_answered():
    """A request with prompt left, one that decodes, one that verifies two drafts."""
    state = reading_state()
    state.read_out(1, DIGEST_OF["one"])
    runner = SimpleNamespace(
        input_batch=SimpleNamespace(
            req_ids=["a", "b", "c"], num_computed_tokens_cpu=np.array([0, 9, 4], np.int32)
        ),
        discard_request_mask=SimpleNamespace(np=np.array([True, False, False, True])),
    )
    setattr(runner, boot._STATE, state)
    output = SimpleNamespace(scheduled_spec_decode_tokens={"c": [7, 7]})
    runner_v1.after_prepare_inputs(runner, output, np.array([4, 1, 3], np.int32))
    here = np.flatnonzero(np.array(0) == LAYERS)[0]
    state.buffers.kept[here] = -torch.tensor(VECTORS[DIGEST_OF["one"]].directions[0])
    for token in (4, 5):  # of b, and the first of c's: both along the vector
        state.buffers.kept[here, token] *= -1
    runner_v1.before_dummy_run(runner, TOKENS)
    assert state.counters().tone[4:8] == pytest.approx((2, 0, 2, 0))
