"""The tone read-out of one worker: which tokens it takes, when, and what it adds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.engine_contract import OWN_REQUESTS
from steersman_vectors.formats import native
from tests.unit.plugins.test_engine_state import (
    DIGEST_OF,
    ELSEWHERE,
    HIDDEN,
    LAYERS,
    ROWS,
    TOKENS,
    VECTORS,
    plan_of,
)
from vllm_steersman.attach import SteeringBuffers
from vllm_steersman.engine_state import EngineState
from vllm_steersman.reading import Step
from vllm_steersman.readout import ToneReadout, predicting, tone_units
from vllm_steersman.resident import ResidentVectors

SLOTS = (2, 0, ELSEWHERE, 2)
REQUESTS = st.lists(
    st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 3)), min_size=1, max_size=6
)
"""Scheduled tokens, whether one is sampled, drafts among them."""


def reading_state(every: int = 1) -> EngineState:
    buffers = SteeringBuffers(
        rows=torch.zeros(len(LAYERS), ROWS + 1, HIDDEN),
        token_row=torch.zeros(TOKENS, dtype=torch.int64),
        token_gate=torch.zeros(TOKENS, 1),
        layers=LAYERS,
        kept=torch.zeros(len(LAYERS), TOKENS, HIDDEN),
        kept_layers=LAYERS,
    )
    resident = ResidentVectors(HIDDEN, (*LAYERS, ELSEWHERE), local=LAYERS, token_scale=True)
    for vector in VECTORS.values():
        resident.load(native.dumps(vector))
    return EngineState(buffers, resident, ROWS, tone=ToneReadout(buffers, SLOTS, every))


def run(state: EngineState, chunks: dict[str, int], answering=None, seed: int = 0) -> torch.Tensor:
    """One step of these requests' tokens; returns what the hooks have kept of it."""
    order, scheduled = list(chunks), np.array(list(chunks.values()), np.int32)
    computed = np.full(len(order), 20, np.int32)
    state.step(order, computed, scheduled)
    mask = np.ones(len(order), bool) if answering is None else np.array(answering)
    state.will_run(Step(order, computed, scheduled, lambda: mask, {}))
    made = torch.randn(len(LAYERS), TOKENS, HIDDEN, generator=torch.Generator().manual_seed(seed))
    state.buffers.kept.copy_(made)
    return made


@given(REQUESTS)
def test_the_tokens_that_predict_are_found_one_by_one(requests):
    # Every fifth is one of the server's own, as a shadow run is: not looked at.
    own = [i % 5 == 3 for i in range(len(requests))]
    names = [f"{OWN_REQUESTS if own[i] else 'cmpl-'}{i}" for i in range(len(requests))]
    requests = [(n + drafts, answers, drafts) for n, answers, drafts in requests]
    drafts = {names[i]: [7] * d for i, (_, _, d) in enumerate(requests) if d}
    expected, at = [], 0
    for k, (scheduled, answers, of_draft) in enumerate(requests):
        tokens = list(range(at, at + scheduled))
        at += scheduled
        if answers and not own[k]:
            expected.append(tokens[: scheduled - of_draft][-1])
    scheduled = np.array([n for n, _, _ in requests], np.int32)
    got = predicting(names, scheduled, np.array([a for _, a, _ in requests]), drafts)
    assert got.tolist() == expected


def test_totals_are_those_of_each_token_by_itself():
    state = reading_state()
    for slot, name in enumerate(["two", "two", "elsewhere", "token"]):
        state.read_out(slot, DIGEST_OF[name])
    state.add("steered", plan_of("one"))
    want = np.zeros((len(SLOTS), 4))
    for seed in range(4):
        kept = run(state, {"plain": 3, "steered": 2, "waits": 4}, [True, True, False], seed)
        for slot, name in ((0, "two"), (1, "two"), (3, "token")):
            direction = VECTORS[DIGEST_OF[name]].directions[SLOTS[slot]]
            for steered, token in ((0, 2), (1, 4)):
                x = kept[LAYERS.index(SLOTS[slot]), token].numpy()
                cos = x @ direction / np.linalg.norm(x)
                want[slot, steered] += 1
                want[slot, 2 + steered] += (1 + cos) / 2
    got = np.reshape(state.counters().tone, (-1, 4))
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert got[2].tolist() == [0.0] * 4, "a block of another rank is that rank's to count"
    assert np.reshape(state.counters().tone, (-1, 4)).tolist() == got.tolist(), "once only"


def test_a_step_is_read_before_anything_overwrites_it():
    """The next step's routing, a dummy step, a new direction: each comes after the reading."""
    for overwrite in ("step", "dummy", "direction"):
        state = reading_state()
        state.read_out(0, DIGEST_OF["two"])
        state.add("a", plan_of("one"))
        run(state, {"a": 1})
        if overwrite == "step":
            state.step(["b"], np.array([3], np.int32), np.array([1], np.int32))
        elif overwrite == "dummy":
            state.dummy_step()
        else:
            state.read_out(0, DIGEST_OF["token"])
        state.buffers.kept.zero_()
        state.buffers.token_row.zero_()
        tokens_no, tokens_yes, _, units = state.counters().tone[:4]
        assert (tokens_no, tokens_yes) == (0, 1), overwrite
        assert units != 0.5, overwrite


@pytest.mark.parametrize("every", [1, 3, 8])
def test_one_of_so_many_steps_is_read(every):
    state = reading_state(every)
    state.read_out(1, DIGEST_OF["one"])
    for _ in range(24):
        run(state, {"a": 1, "b": 1})
    assert state.counters().tone[4] == 2 * (24 // every)


def test_a_slot_without_a_vector_reads_nothing():
    state = reading_state()
    state.read_out(0, "sha256:unknown")
    state.read_out(1, DIGEST_OF["token"])  # has no direction at block 0
    state.read_out(2, DIGEST_OF["elsewhere"])
    state.read_out(3, DIGEST_OF["two"])
    state.read_out(3, None)
    assert state.tone.digests == [None, None, DIGEST_OF["elsewhere"], None]
    run(state, {"a": 1})
    assert not any(state.counters().tone)


@given(st.integers(0, 2**32 - 1))
def test_units_lie_between_nothing_and_one(seed):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(5, HIDDEN, generator=draw)
    direction = torch.nn.functional.normalize(torch.randn(HIDDEN, generator=draw), dim=0)
    cos = torch.nn.functional.cosine_similarity(x, direction[None])
    assert torch.allclose(tone_units(x, direction), (1 + cos) / 2, atol=1e-6)
    assert tone_units(torch.zeros(1, HIDDEN), direction).item() == 0.5
    assert tone_units(1e4 * direction[None], direction).item() == pytest.approx(1, abs=1e-6)
    assert tone_units(x.bfloat16(), direction).dtype == torch.float32
