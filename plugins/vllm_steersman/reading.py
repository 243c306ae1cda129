"""What is read off the residual stream that the hooks keep, step by step.

The buffers hold one step's tokens. They are read in front of whatever would overwrite them: the
next step's routing, a dummy step, or a question about the totals. All of that is queued on the
device's current stream, behind the forward pass, and nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

Drafts = Mapping[str, Any]
"""request id -> the draft tokens that the step verifies; only requests that have any."""


@dataclass(frozen=True, slots=True)
class Step:
    """The tokens of one step, in request order. Views of vLLM's own: true until it goes on."""

    order: list[str]
    num_computed: NDArray[np.integer]
    num_scheduled: NDArray[np.integer]
    answering: Callable[[], NDArray[np.bool_]]
    """Returns `[num_reqs]`: whether a token is sampled for the request after this step."""
    drafts: Drafts


class Reader(Protocol):
    """One use of what is kept."""

    def meet(self, request_id: str, params: Any) -> None:
        """A request comes, or comes back after a preemption."""
        ...

    def begin(self, step: Step) -> None:
        """A step is about to run: remember what of it will be read."""
        ...

    def settle(self) -> None:
        """Reads what was remembered, if that was not done yet."""
        ...


class Reading:
    """All readers of an engine."""

    def __init__(self, *readers: Reader) -> None:
        self._readers = readers

    def meet(self, request_id: str, params: Any) -> None:
        """As `Reader.meet`."""
        for reader in self._readers:
            reader.meet(request_id, params)

    def begin(self, step: Step) -> None:
        """As `Reader.begin`."""
        for reader in self._readers:
            reader.begin(step)

    def settle(self) -> None:
        """As `Reader.settle`."""
        for reader in self._readers:
            reader.settle()


def to_device(indices: NDArray[np.int64], device: torch.device) -> torch.Tensor:
    """Queues the copy of indices; PyTorch keeps the pinned memory until the copy is over."""
    host = torch.from_numpy(indices)
    return host if device.type == "cpu" else host.pin_memory().to(device, non_blocking=True)
