"""Host memory on its way to the device: the routing of steps, and new rows.

The engine prepares step N + 1 while step N, and the copies made for it, may still run on the
device. So there are several slots, and a slot is written again only when its copy is over. Copies
are queued behind the step in flight, never waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .attach import SteeringBuffers

SLOTS = 3
"""Steps that may be on their way at once, and one more."""
ROW_SLOTS = 16
"""Rows that may be on their way at once; more of them in one step wait for the device."""


@dataclass
class _Slot:
    rows: torch.Tensor
    gates: torch.Tensor
    copied: Any = None
    """Recorded behind the slot's last copy; None when it was never copied."""


@dataclass
class _RowSlot:
    delta: torch.Tensor
    """`[L, hidden]`, pinned, model dtype."""
    copied: Any = None


class Staging:
    """Gives out one slot per step; on the CPU the device buffers themselves."""

    def __init__(self, buffers: SteeringBuffers) -> None:
        self._buffers = buffers
        self._on_host = buffers.token_row.device.type == "cpu"
        self._slots = [self._make_slot() for _ in range(1 if self._on_host else SLOTS)]
        self._at = 0

    def begin(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns rows and gates, both `[max_num_batched_tokens]`, to be written for this step."""
        self._at = (self._at + 1) % len(self._slots)
        slot = self._slots[self._at]
        if slot.copied is not None:
            slot.copied.synchronize()
        return slot.rows.numpy(), slot.gates.numpy()[:, 0]

    def upload(self, n: int) -> None:
        """Copies the first n tokens to the device, in the order of its current stream."""
        if self._on_host:
            return
        slot = self._slots[self._at]
        self._buffers.token_row[:n].copy_(slot.rows[:n], non_blocking=True)
        self._buffers.token_gate[:n].copy_(slot.gates[:n], non_blocking=True)
        slot.copied = slot.copied or torch.Event(self._buffers.token_row.device.type)
        slot.copied.record()

    def _make_slot(self) -> _Slot:
        row, gate = self._buffers.token_row, self._buffers.token_gate
        if self._on_host:
            return _Slot(row, gate)
        return _Slot(
            torch.zeros(row.shape, dtype=row.dtype, pin_memory=True),
            torch.zeros(gate.shape, dtype=gate.dtype, pin_memory=True),
        )


class RowWriter:
    """Writes one row of a buffer `[L, R, hidden]`."""

    def __init__(self, rows: torch.Tensor) -> None:
        self._rows = rows
        self._device = rows.device.type
        shape = (rows.shape[0], rows.shape[2])
        self._slots = [
            _RowSlot(torch.empty(shape, dtype=rows.dtype, pin_memory=True))
            for _ in range(0 if self._device == "cpu" else ROW_SLOTS)
        ]
        self._at = 0

    def write(self, row: int, delta: NDArray[np.float32] | None) -> None:
        """Writes `[L, hidden]`, or zeros for None, in the order of the device's current stream."""
        where = self._rows[:, row]
        if delta is None:
            where.zero_()
        elif not self._slots:
            where.copy_(torch.from_numpy(delta))
        else:
            self._at = (self._at + 1) % len(self._slots)
            slot = self._slots[self._at]
            if slot.copied is not None:
                slot.copied.synchronize()
            slot.delta.copy_(torch.from_numpy(delta))
            where.copy_(slot.delta, non_blocking=True)
            slot.copied = slot.copied or torch.Event(self._device)
            slot.copied.record()
