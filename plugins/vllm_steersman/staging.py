"""Host memory in which a step is routed, on its way to the device.

The engine prepares step N + 1 while step N, and the copies made for it, may still run on the
device. So there are several slots, and a slot is written again only when its copy is over.
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


@dataclass
class _Slot:
    rows: torch.Tensor
    gates: torch.Tensor
    copied: Any = None
    """Recorded behind the slot's last copy; None when it was never copied."""


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
