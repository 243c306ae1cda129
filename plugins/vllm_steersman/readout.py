"""The tone read-out: how far the residual stream points along vectors, summed on the device.

A slot is a decoder block and a direction there. Of every position that predicts an answer token,

    unit = (1 + x @ direction / ||x||) / 2        x: before the block's own delta

is added to the slot's total, apart for tokens that are steered and for those that are not. Units
lie in [0, 1], so that totals only grow and Prometheus can take their rate; mean cos = 2 * mean - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steersman_vectors.engine_contract import OWN_REQUESTS

from .attach import SteeringBuffers
from .reading import Drafts, Step, to_device

TINY = 1e-30
"""Least norm that is divided by: x = 0 points nowhere."""


def predicting(
    order: Sequence[str],
    num_scheduled: NDArray[np.integer],
    answering: NDArray[np.bool_],
    drafts: Drafts,
) -> NDArray[np.int64]:
    """Returns which tokens of a step predict an answer token, as indices in token order.

    One per request whose prompt is complete: its last, in front of the drafts that the step
    verifies. Whether a draft stays is known on the device only, so its position is never counted.
    Requests that are no client's are left out: shadow runs are unsteered by design.
    """
    last = num_scheduled.cumsum(dtype=np.int64) - 1
    if drafts:
        last -= np.fromiter((len(drafts.get(name, ())) for name in order), np.int64, len(last))
    clients = np.fromiter((not name.startswith(OWN_REQUESTS) for name in order), bool, len(last))
    predicts: NDArray[np.int64] = last[answering & clients]
    return predicts


class ToneReadout:
    """The slots of this worker, and what they have summed.

    layers: the block of each slot, on any rank. every: of so many steps one is read.
    """

    def __init__(self, buffers: SteeringBuffers, layers: Sequence[int], every: int) -> None:
        assert buffers.kept is not None
        self.layers = tuple(layers)
        self.digests: list[str | None] = [None] * len(layers)
        """Of the vector that each slot reads."""
        self._buffers = buffers
        self._every = every
        self._steps = 0
        self._pending: NDArray[np.int64] | None = None
        device, hidden = buffers.kept.device, buffers.kept.shape[2]
        self._directions = torch.zeros(len(layers), hidden, device=device)
        self._here = [i for i, layer in enumerate(layers) if layer in buffers.kept_layers]
        self._active: list[int] = []
        """Slots with a direction on this rank."""
        self._totals = torch.zeros(len(layers), 4, dtype=torch.float64, device=device)
        """As `WorkerCounters.tone`. fp64: in fp32 a total stops growing at 2^24 tokens."""

    def set_direction(
        self, slot: int, digest: str | None, direction: NDArray[np.float32] | None
    ) -> None:
        """Has a slot read a vector from the next step on, or nothing.

        direction: `[hidden]`, unit norm; None where the slot's block is on another rank.
        """
        self.settle()
        self.digests[slot] = digest
        self._active = [i for i in self._active if i != slot]
        if direction is not None and slot in self._here:
            self._directions[slot].copy_(torch.from_numpy(direction))
            self._active = sorted([*self._active, slot])

    def meet(self, request_id: str, params: Any) -> None:
        """Nothing: all requests are read alike."""

    def begin(self, step: Step) -> None:
        """Remembers which tokens to read, if this step is one that is read."""
        self._steps += 1
        if self._steps % self._every or not self._active:
            return
        at = predicting(step.order, step.num_scheduled, step.answering(), step.drafts)
        if len(at):
            self._pending = at

    def settle(self) -> None:
        """Adds what the last step's tokens read, in the order of the device's current stream."""
        if self._pending is None:
            return
        kept = self._buffers.kept
        assert kept is not None
        at = to_device(self._pending, kept.device)
        self._pending = None
        steered = self._buffers.token_row[at] != 0
        of = torch.stack([~steered, steered]).double()
        for slot in self._active:
            k = self._buffers.kept_layers.index(self.layers[slot])
            units = tone_units(kept[k, at], self._directions[slot])
            self._totals[slot, :2] += of.sum(1)
            self._totals[slot, 2:] += of @ units.double()

    def totals(self) -> tuple[float, ...]:
        """Returns `WorkerCounters.tone`; waits for the device."""
        self.settle()
        return tuple(self._totals.flatten().tolist())


def tone_units(x: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Returns (1 + cos(x, direction)) / 2 of each token, fp32 `[n]`; x `[n, hidden]`."""
    x = x.float()
    norm: torch.Tensor = torch.linalg.vector_norm(x, dim=-1).clamp_min(TINY)
    # Not a product of matrices, which may be computed in TF32.
    return (1 + (x * direction).sum(-1) / norm) / 2
