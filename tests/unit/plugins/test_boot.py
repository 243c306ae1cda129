"""Attaching an engine: the rows' shape, and what vLLM must know of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from steersman_vectors.engine_contract import CONFIG_KEY
from vllm_steersman import boot, compat

DEPTH, HIDDEN, REQUESTS, TOKENS = 3, 4, 5, 16


def make_runner(**steering):
    model = nn.Module()
    model.layers = nn.ModuleList([nn.Linear(HIDDEN, HIDDEN) for _ in range(DEPTH)])
    vllm_config = SimpleNamespace(
        additional_config={CONFIG_KEY: steering} if steering else {},
        model_config=SimpleNamespace(
            hf_text_config=SimpleNamespace(num_hidden_layers=DEPTH), get_hidden_size=lambda: HIDDEN
        ),
        scheduler_config=SimpleNamespace(max_num_seqs=REQUESTS),
    )
    return SimpleNamespace(
        vllm_config=vllm_config, get_model=lambda: model, max_num_tokens=TOKENS,
        dtype=torch.bfloat16, device=torch.device("cpu"), model_memory_usage=1000,
    )  # fmt: skip


@pytest.fixture
def said(monkeypatch):
    """What was logged; vLLM's loggers do not reach pytest's handler."""
    lines = []
    monkeypatch.setattr(boot.logger, "info", lambda text, *args: lines.append(text % args))
    return lines


@pytest.fixture(autouse=True)
def every_block_is_here(monkeypatch):
    monkeypatch.setattr(compat, "is_absent_layer", lambda _: False)


@pytest.mark.parametrize("token_scale", [False, True])
def test_rows_are_one_per_request_and_the_zero_row_and_vllm_is_told(said, token_scale):
    runner = make_runner(layers=(0, 2), token_scale=token_scale)
    state = boot.attach_engine(runner)
    buffers = state.buffers
    shape = (2, REQUESTS + 1, HIDDEN)
    assert (buffers.rows.shape, buffers.rows.dtype) == (shape, runner.dtype)
    assert (None if buffers.token_rows is None else buffers.token_rows.shape) == (
        shape if token_scale else None
    )
    assert buffers.token_row.shape == (TOKENS,)
    assert state.pool.capacity == REQUESTS
    assert buffers.hooked() == (0, 2)
    assert (state.resident.layers, state.resident.local) == ({0, 2}, (0, 2))
    assert (state.resident.hidden_size, state.resident.token_scale) == (HIDDEN, token_scale)
    assert runner.model_memory_usage == 1000 + buffers.nbytes
    assert runner.vllm_config.additional_config["steering_rows"] == REQUESTS + 1
    assert said == [
        f"Steering attached to 2 of {DEPTH} decoder blocks; {REQUESTS} rows, "
        f"{buffers.nbytes / 2**20:.1f} MiB on cpu"
    ]


def test_attaching_twice_changes_nothing(said):
    """Both runners' `load_model` may call it, and weights may be loaded again."""
    runner = make_runner(layers="all")
    state = boot.attach_engine(runner)
    memory = runner.model_memory_usage
    assert boot.attach_engine(runner) is None
    assert boot.state_of(runner) is state
    assert runner.model_memory_usage == memory
    assert all(len(block._forward_hooks) == 1 for block in runner.get_model().layers)
    assert len(said) == 1


def test_an_engine_without_steering_is_left_as_it_is(said):
    runner = make_runner()
    assert boot.attach_engine(runner) is None
    assert boot.state_of(runner) is None
    assert runner.model_memory_usage == 1000
    assert runner.vllm_config.additional_config == {}
    assert not any(block._forward_hooks for block in runner.get_model().layers)
    assert said == []
