"""Host memory of a step on its way to a device that is late."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vllm_steersman.attach import SteeringBuffers
from vllm_steersman.staging import ROW_SLOTS, SLOTS, RowWriter, Staging

pytestmark = pytest.mark.gpu

TOKENS = 4096
LATE_CYCLES = 100_000_000
"""Of the GPU's clock: about a twentieth of a second."""


@pytest.fixture
def buffers() -> SteeringBuffers:
    return SteeringBuffers(
        rows=torch.zeros(1, 2, 8, device="cuda"),
        token_row=torch.zeros(TOKENS, dtype=torch.int64, device="cuda"),
        token_gate=torch.zeros(TOKENS, 1, device="cuda"),
        layers=(0,),
    )


def test_a_slot_is_not_written_again_while_its_copy_is_late(buffers):
    staging = Staging(buffers)
    steps = range(1, 3 * SLOTS)
    arrived = []
    for step in steps:
        rows, gates = staging.begin()
        rows[:], gates[:] = step, step / 8
        torch.cuda._sleep(LATE_CYCLES)
        staging.upload(TOKENS)
        arrived.append((buffers.token_row.clone(), buffers.token_gate.clone()))
    for step, (row, gate) in zip(steps, arrived, strict=True):
        assert bool((row == step).all()), f"step {step} was overwritten"
        assert bool((gate == step / 8).all()), f"step {step} was overwritten"


def test_the_host_runs_ahead_of_the_device_by_as_many_steps_as_there_are_slots(buffers):
    staging = Staging(buffers)
    torch.cuda.synchronize()
    torch.cuda._sleep(4 * LATE_CYCLES)
    late = torch.cuda.Event()
    late.record()
    for _ in range(SLOTS):
        staging.begin()
        staging.upload(TOKENS)
    assert not late.query(), "the host waited for the device"
    staging.begin()
    assert late.query(), "a slot was given out again before its copy was over"


def test_a_row_is_written_whole_while_earlier_ones_are_late():
    rows = torch.zeros(3, 2 * ROW_SLOTS + 2, 8, device="cuda")
    writer = RowWriter(rows)
    for row in range(1, rows.shape[1]):
        torch.cuda._sleep(LATE_CYCLES // 4)
        writer.write(row, np.full((3, 8), row, dtype=np.float32))
    expected = torch.arange(rows.shape[1], device="cuda")[None, :, None].expand_as(rows)
    assert torch.equal(rows, expected.float())
