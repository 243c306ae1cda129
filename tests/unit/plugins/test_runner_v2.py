"""The V2 adapter on vLLM's own V2 classes, as far as they run without a GPU."""

from __future__ import annotations

import dataclasses
import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vllm import SamplingParams
from vllm.v1.core.sched.output import NewRequestData
from vllm.v1.worker.gpu.input_batch import InputBatch, InputBuffers
from vllm.v1.worker.gpu.model_runner import GPUModelRunner
from vllm.v1.worker.gpu.model_states.interface import ModelState

from steersman_vectors.plan import SteeringPlan
from tests.unit.plugins.test_engine_state import DIGEST_OF, TOKENS, VECTORS, check, make_state
from tests.unit.plugins.test_readout import reading_state
from vllm_steersman.runner_v2 import listen

DIGESTS = sorted(VECTORS)
CPU = torch.device("cpu")


class RecordingModelState(ModelState):
    """vLLM's abstract model state with the least that makes it whole."""

    def __init__(self):
        self.told = []

    def add_request(self, req_index, new_req_data):
        self.told.append(("add", new_req_data.req_id))

    def remove_request(self, req_id):
        self.told.append(("remove", req_id))

    def prepare_inputs(self, input_batch, req_states):
        self.told.append(("step", tuple(input_batch.req_ids)))
        return {"inputs": 1}

    def prepare_dummy_inputs(self, num_reqs, num_tokens):
        self.told.append(("dummy", num_tokens))
        return {"dummy": 1}

    def prepare_inputs_embeds(self, *args):
        return None

    get_mm_embeddings = prepare_inputs_embeds  # its name until 0.28

    def prepare_attn(self, *args, **kwargs):
        return {}


def new_request(request_id: str, plan: SteeringPlan | None) -> NewRequestData:
    extra_args = None if plan is None else {"steering": plan.to_wire()}
    return NewRequestData(
        req_id=request_id, prompt_token_ids=[1, 2, 3], mm_features=[],
        sampling_params=SamplingParams(extra_args=extra_args), pooling_params=None,
        block_ids=([0],), num_computed_tokens=0, lora_request=None,
    )  # fmt: skip


def batch(requests: dict[str, tuple[int, int]]) -> InputBatch:
    """A real `InputBatch` of requests with (first position, number of tokens)."""
    total = sum(n for _, n in requests.values())
    buffers = InputBuffers(8, TOKENS, torch.device("cpu"))
    made = InputBatch.make_dummy(len(requests), total, buffers)
    return dataclasses.replace(
        made,
        req_ids=list(requests),
        num_computed_tokens_np=np.array([c for c, _ in requests.values()], dtype=np.int32),
        num_scheduled_tokens=np.array([n for _, n in requests.values()], dtype=np.int32),
    )


@pytest.fixture
def engine():
    model_state, state = RecordingModelState(), make_state()
    listen(model_state, state)
    return model_state, state


def test_requests_come_go_are_preempted_and_come_back(engine):
    model_state, state = engine
    steered = SteeringPlan(terms=((DIGESTS[0], 1.5),), turns=((2, None),))
    other = SteeringPlan(terms=((DIGESTS[1], -1.0),), turns=((0, 4),))
    for i, (request_id, plan) in enumerate({"a": steered, "b": None, "c": other}.items()):
        model_state.add_request(i, new_request(request_id, plan))
    plans = [steered, None, other]
    assert model_state.prepare_inputs(batch({"a": (0, 5), "b": (0, 3), "c": (0, 6)}), None) == {
        "inputs": 1
    }
    check(state, plans, [0, 0, 0], [5, 3, 6])
    model_state.prepare_inputs(batch({"a": (5, 1), "b": (3, 1), "c": (6, 1)}), None)
    check(state, plans, [5, 3, 6], [1, 1, 1])
    model_state.remove_request("a")
    model_state.prepare_inputs(batch({"b": (4, 1), "c": (7, 1)}), None)
    check(state, [None, other], [4, 7], [1, 1])
    model_state.add_request(0, new_request("a", steered))  # resumed: from its start again
    model_state.prepare_inputs(batch({"b": (5, 1), "c": (8, 1), "a": (0, 6)}), None)
    check(state, [None, other, steered], [5, 8, 0], [1, 1, 6])
    for request_id in ("a", "b", "c", "never added"):
        model_state.remove_request(request_id)
    assert state.active_requests == 0
    assert model_state.told[0] == ("add", "a")
    assert model_state.told[-1] == ("remove", "never added")


def test_dummy_steps_are_not_steered(engine):
    model_state, state = engine
    plan = SteeringPlan(terms=((DIGESTS[0], 1.0),), turns=((0, None),))
    model_state.add_request(0, new_request("a", plan))
    model_state.prepare_inputs(batch({"a": (0, 5)}), None)
    assert state.buffers.token_row[:5].all()
    dummy = InputBatch.make_dummy(2, 6, InputBuffers(8, TOKENS, torch.device("cpu")))
    model_state.prepare_inputs(dummy, None)
    assert not state.buffers.token_row.any()
    model_state.prepare_inputs(batch({"a": (5, 2)}), None)
    assert model_state.prepare_dummy_inputs(2, 6) == {"dummy": 1}
    assert not state.buffers.token_row.any()
    assert not state.buffers.token_gate.any()


def test_the_runner_tells_its_model_state_what_we_rely_on():
    """The seams, by name: a vLLM that renames one must not pass for one that we know."""
    calls = {
        GPUModelRunner.load_model: "self.model_state = init_model_state(",
        GPUModelRunner.add_requests: "self.model_state.add_request(req_index, new_req_data)",
        GPUModelRunner._remove_request: "self.model_state.remove_request(req_id)",
        GPUModelRunner.execute_model: "self.model_state.prepare_inputs(input_batch,",
    }
    for method, call in calls.items():
        assert call in inspect.getsource(method), method.__name__
    preempted = inspect.getsource(GPUModelRunner.finish_requests)
    assert "preempted_req_ids" in preempted
    for name in ("get_model", "load_model"):
        assert callable(getattr(GPUModelRunner, name))


def test_where_something_is_read_real_steps_are_and_dummy_steps_are_not():
    model_state, state = RecordingModelState(), reading_state()
    listen(model_state, state)
    state.read_out(1, DIGEST_OF["one"])
    model_state.add_request(0, new_request("a", None))
    model_state.add_request(1, new_request("b", None))
    lengths = SimpleNamespace(prefill_len=SimpleNamespace(np=np.array([9, 3, 0])))
    made = dataclasses.replace(
        batch({"a": (4, 4), "b": (0, 3)}), idx_mapping_np=np.array([0, 1], np.int32)
    )
    model_state.prepare_inputs(made, lengths)  # a has a token of its prompt left
    assert state.counters().tone[4] == 1
    model_state.prepare_inputs(InputBatch.make_dummy(2, 6, InputBuffers(8, TOKENS, CPU)), lengths)
    model_state.prepare_dummy_inputs(2, 6)
    assert state.counters().tone[4] == 1
    made = dataclasses.replace(
        batch({"a": (8, 1), "b": (3, 1)}), idx_mapping_np=np.array([0, 1], np.int32)
    )
    model_state.prepare_inputs(made, lengths)
    assert state.counters().tone[4] == 3
