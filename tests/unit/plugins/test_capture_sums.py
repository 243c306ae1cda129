"""Sums over spans under random traffic: chunks, neighbours, preemptions, under either runner."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from steersman_vectors.engine_contract import CAPTURE_KEY
from tests.unit.plugins.test_engine_state import HIDDEN, LAYERS, ROWS, TOKENS
from vllm_steersman.attach import SteeringBuffers
from vllm_steersman.capture_sums import CaptureSums
from vllm_steersman.engine_state import EngineState
from vllm_steersman.reading import Step
from vllm_steersman.resident import ResidentVectors


def capturing_state() -> EngineState:
    buffers = SteeringBuffers(
        rows=torch.zeros(len(LAYERS), ROWS + 1, HIDDEN),
        token_row=torch.zeros(TOKENS, dtype=torch.int64),
        token_gate=torch.zeros(TOKENS, 1),
        layers=LAYERS,
        kept=torch.zeros(len(LAYERS), TOKENS, HIDDEN),
        kept_layers=LAYERS,
    )
    resident = ResidentVectors(HIDDEN, LAYERS)
    return EngineState(buffers, resident, ROWS, capture=CaptureSums(buffers))


def asking(key: str, spans) -> SimpleNamespace:
    return SimpleNamespace(extra_args={CAPTURE_KEY: {"key": key, "spans": spans}})


def run(state: EngineState, streams: dict[str, torch.Tensor], parts: dict[str, tuple[int, int]]):
    """One step over `[first, end)` of each request; the hooks keep what its stream is there."""
    order = list(parts)
    computed = np.array([first for first, _ in parts.values()], np.int32)
    scheduled = np.array([end - first for first, end in parts.values()], np.int32)
    state.step(order, computed, scheduled)
    state.will_run(Step(order, computed, scheduled, lambda: np.ones(len(order), bool), {}))
    state.buffers.kept.fill_(float("nan"))
    x = torch.cat([streams[name][:, a:b] for name, (a, b) in parts.items()], dim=1)
    state.buffers.kept[:, : x.shape[1]] = x


def read(answer: tuple[bytes, bytes], spans) -> tuple[np.ndarray, np.ndarray]:
    mean, norm = (np.frombuffer(data, np.float32) for data in answer)
    shape = (len(spans), len(LAYERS))
    return mean.reshape(*shape, HIDDEN), norm.reshape(shape)


@pytest.mark.parametrize("told", [False, True], ids=["V1", "V2"])
@pytest.mark.parametrize("seed", range(6))
def test_sums_are_those_of_each_span_by_itself(seed, told):
    """told: whether a request that comes back after a preemption is met again, as under V2."""
    rng, draw = Random(seed), torch.Generator().manual_seed(seed)
    state = capturing_state()
    streams, spans, position, waiting = {}, {}, {}, [f"r{i}" for i in range(12)]
    for name in waiting:
        length = rng.randrange(1, 50)
        streams[name] = torch.randn(len(LAYERS), length, HIDDEN, generator=draw)
        starts = [rng.randrange(length) for _ in range(rng.randrange(1, 4))]
        spans[name] = [(a, rng.randrange(a, length) + 1) for a in starts]
    preempted = 0
    while waiting or position:
        while waiting and len(position) < ROWS:
            name = waiting.pop()
            position[name] = 0
            if rng.random() < 0.9:
                state.meet(name, asking(f"key-{name}", spans[name]))
            else:
                state.meet(name, None)
                spans[name] = None
        parts = {}
        for name in rng.sample(sorted(position), rng.randrange(1, len(position) + 1)):
            if position[name] and rng.random() < 0.2:
                preempted, position[name] = preempted + 1, 0
                if told and spans[name] is not None:
                    state.meet(name, asking(f"key-{name}", spans[name]))
            left = streams[name].shape[1] - position[name]
            parts[name] = (position[name], position[name] + min(left, rng.randrange(1, 20)))
        run(state, streams, parts)
        if rng.random() < 0.2:
            state.dummy_step()
        for name, (_, end) in parts.items():
            position[name] = end
            if end < streams[name].shape[1]:
                continue
            del position[name]
            if rng.random() < 0.5:
                state.remove([name])
            if spans[name] is None:
                continue
            key = f"key-{name}"
            mean, norm = read(state.capture.collect([key])[key], spans[name])
            x = streams[name].double()
            for k, (a, b) in enumerate(spans[name]):
                np.testing.assert_allclose(mean[k], x[:, a:b].mean(1), atol=1e-5)
                np.testing.assert_allclose(norm[k], x[:, a:b].norm(dim=-1).mean(1), rtol=1e-5)
            assert state.capture.collect([key]) == {key: None}, "it is told once"
    assert preempted


def test_positions_that_were_never_computed_are_told():
    """As out of a prefix cache; a request whose prompt is not through yet is told as well."""
    state = capturing_state()
    streams = {"a": torch.ones(len(LAYERS), 40, HIDDEN)}
    state.meet("a", asking("cached", [(10, 40)]))
    run(state, streams, {"a": (32, 40)})
    assert state.capture.collect(["cached", "nobody"]) == {"cached": None, "nobody": None}
    state.meet("a", asking("early", [(10, 40)]))
    run(state, streams, {"a": (0, 39)})
    assert state.capture.collect(["early"]) == {"early": None}


def test_memory_is_given_back_and_what_was_there_is_not_added_to():
    state = capturing_state()
    streams = {"a": torch.ones(len(LAYERS), 4, HIDDEN)}
    for i in range(300):
        state.meet("a", asking(f"k{i}", [(0, 4), (1, 2)]))
        run(state, streams, {"a": (0, 4)})
        mean, _ = read(state.capture.collect([f"k{i}"])[f"k{i}"], [(0, 4), (1, 2)])
        assert (mean == 1).all()
    assert state.capture._sums.shape[1] == 64
