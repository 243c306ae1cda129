"""Sums over spans of a request's prompt: what capture reads off the residual stream.

A request asks with `CAPTURE_KEY` in its `extra_args`. Of each step, the tokens that lie in its
spans are added to fp32 sums on the device, block by block; a span may lie in several chunks. A
request that was preempted computes its prompt anew, and its sums begin anew with it.

NOTE: all of it in inference mode. Steps run in it and questions do not, and what was made in it may
be written in it only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steersman_vectors.engine_contract import CAPTURE_KEY

from .attach import SteeringBuffers
from .reading import Step, to_device

AT_ONCE = 4096
"""Tokens whose x is held in fp32 at once; bounds memory, whatever a step holds."""

Span = tuple[int, int]


@dataclass
class _Asked:
    """One request that asked, and how far it is."""

    key: str
    spans: tuple[Span, ...]
    slots: list[int]
    """Of the pool, one per span."""
    length: int
    """Of its prompt, as far as the spans reach."""
    seen: int = 0
    """Positions added so far; the next one that is due."""
    whole: bool = True
    """False once positions were skipped, which were then never computed here."""


@dataclass
class _Pending:
    """Tokens of the step in flight that will be added, and to which slots."""

    tokens: list[NDArray[np.int64]] = field(default_factory=list)
    slots: list[NDArray[np.int64]] = field(default_factory=list)


class CaptureSums:
    """The sums of this worker's requests, for the blocks that it has."""

    def __init__(self, buffers: SteeringBuffers) -> None:
        assert buffers.kept is not None
        self.layers = buffers.kept_layers
        self._kept = buffers.kept
        blocks, _, hidden = buffers.kept.shape
        self._sums = torch.zeros(blocks, 0, hidden, device=buffers.kept.device)
        """`[blocks, slots, hidden]`: sums of x."""
        self._norms = torch.zeros(blocks, 0, device=buffers.kept.device)
        """`[blocks, slots]`: sums of ||x||."""
        self._free: list[int] = []
        self._of_request: dict[str, _Asked] = {}
        self._request_of_key: dict[str, str] = {}
        self._pending = _Pending()

    def meet(self, request_id: str, params: Any) -> None:
        """A request comes, or comes back after a preemption: its sums begin at 0."""
        asked = (getattr(params, "extra_args", None) or {}).get(CAPTURE_KEY)
        if asked is None:
            return
        self.settle()
        self._forget(request_id)
        spans = tuple((int(start), int(end)) for start, end in asked["spans"])
        length = max((end for _, end in spans), default=0)
        made = _Asked(str(asked["key"]), spans, self._take(len(spans)), length)
        self._of_request[request_id] = made
        self._request_of_key[made.key] = request_id

    def begin(self, step: Step) -> None:
        """Remembers which tokens of the step lie in spans."""
        if not self._of_request:
            return
        first = 0
        pending = self._pending
        for i, request_id in enumerate(step.order):
            scheduled = int(step.num_scheduled[i])
            asked = self._of_request.get(request_id)
            if asked is not None:
                self._begin_request(asked, pending, int(step.num_computed[i]), scheduled, first)
            first += scheduled

    @torch.inference_mode()
    def settle(self) -> None:
        """Adds the remembered tokens, in the order of the device's current stream."""
        if not self._pending.tokens:
            return
        device = self._kept.device
        tokens = to_device(np.concatenate(self._pending.tokens), device)
        slots = to_device(np.concatenate(self._pending.slots), device)
        self._pending = _Pending()
        for some, to in zip(torch.split(tokens, AT_ONCE), torch.split(slots, AT_ONCE), strict=True):
            for k in range(len(self.layers)):
                x = self._kept[k, some].float()
                self._sums[k].index_add_(0, to, x)
                self._norms[k].index_add_(0, to, torch.linalg.vector_norm(x, dim=-1))

    def collect(self, keys: Iterable[str]) -> dict[str, tuple[bytes, bytes] | None]:
        """Returns (mean, norm) of each key and forgets it; None where positions are lacking.

        mean: fp32 `[spans, blocks, hidden]`; norm: fp32 `[spans, blocks]`. Waits for the device.
        """
        self.settle()
        return {key: self._collect(key) for key in keys}

    @torch.inference_mode()
    def _collect(self, key: str) -> tuple[bytes, bytes] | None:
        request_id = self._request_of_key.get(key)
        if request_id is None:
            return None
        asked = self._of_request[request_id]
        answer = None
        if asked.whole and asked.seen >= asked.length:
            n = torch.tensor([end - start for start, end in asked.spans], dtype=torch.float32)
            mean = self._sums[:, asked.slots].transpose(0, 1).cpu() / n[:, None, None]
            norm = self._norms[:, asked.slots].transpose(0, 1).cpu() / n[:, None]
            answer = mean.contiguous().numpy().tobytes(), norm.contiguous().numpy().tobytes()
        self._forget(request_id)
        return answer

    def _begin_request(
        self, asked: _Asked, pending: _Pending, computed: int, scheduled: int, first: int
    ) -> None:
        if computed == 0 and asked.seen:
            self._zero(asked.slots)  # preempted under a runner that tells nobody
            asked.seen, asked.whole = 0, True
        if computed > asked.seen:
            asked.whole = False
        for (start, end), slot in zip(asked.spans, asked.slots, strict=True):
            begin, stop = max(start, asked.seen, computed), min(end, computed + scheduled)
            if begin < stop:
                pending.tokens.append(np.arange(begin, stop, dtype=np.int64) + first - computed)
                pending.slots.append(np.full(stop - begin, slot, dtype=np.int64))
        asked.seen = max(asked.seen, computed + scheduled)

    @torch.inference_mode()
    def _take(self, n: int) -> list[int]:
        """Returns n slots whose sums are 0."""
        held = self._sums.shape[1]
        if len(self._free) < n:
            more = max(n, held, 64)
            self._sums = _wider(self._sums, more)
            self._norms = _wider(self._norms, more)
            self._free += range(held + more - 1, held - 1, -1)
        taken = [self._free.pop() for _ in range(n)]
        self._zero(taken)
        return taken

    @torch.inference_mode()
    def _zero(self, slots: Sequence[int]) -> None:
        self._sums[:, slots] = 0
        self._norms[:, slots] = 0

    def _forget(self, request_id: str) -> None:
        asked = self._of_request.pop(request_id, None)
        if asked is not None:
            self._free += asked.slots
            self._request_of_key.pop(asked.key, None)


def _wider(held: torch.Tensor, more: int) -> torch.Tensor:
    """Returns a copy with so many more slots, of zeros."""
    shape = (held.shape[0], more, *held.shape[2:])
    return torch.cat([held, held.new_zeros(shape)], dim=1)
