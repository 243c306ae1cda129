"""What a source of activations is: Hugging Face forwards, or the serving engine itself.

Sources are found by name in the entry point group `steersman.activation_sources`; each entry is an
`OpenSource`. So the command that extracts needs to import neither torch nor vLLM to be started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

ENTRY_POINTS = "steersman.activation_sources"
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
"""What the model computes in; `auto`: as its config says."""


@dataclass(frozen=True, slots=True)
class Read:
    """One unsteered forward pass over a token sequence, and the spans to read off it."""

    token_ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    """`[start, end)` positions, `0 <= start < end <= len(token_ids)`; they may overlap."""


@dataclass(frozen=True, slots=True)
class SpanStates:
    """What was read: x is the residual stream at a block's output, hidden plus residual."""

    mean: NDArray[np.float32]
    """`[spans, layers, hidden]`: mean of x over the span's positions, summed in fp32."""
    norm: NDArray[np.float32]
    """`[spans, layers]`: mean over the span's positions of the L2 norm of x."""


class ActivationSource(Protocol):
    """Reads states off one base model."""

    layers: tuple[int, ...]
    """layer_idx of each second index of `SpanStates.mean`, ascending."""
    hidden_size: int
    max_tokens: int
    """The longest sequence that it reads."""

    def read(self, reads: Sequence[Read]) -> Iterator[tuple[int, SpanStates]]:
        """Yields (index in `reads`, what was read there), each once, in any order, as it comes.

        Raises `CallerError(too_long)` before anything is read if a sequence is too long.
        """
        ...


class OpenSource(Protocol):
    """Opens a source; the model is loaded once and let go at the end of the block."""

    def __call__(
        self, model_dir: Path, *, layers: Sequence[int] | None, dtype: Dtype, batch_tokens: int
    ) -> AbstractContextManager[ActivationSource]:
        """Opens the model in `model_dir`.

        Args:
            model_dir: A Hugging Face checkpoint.
            layers: Decoder blocks to read; None: all.
            dtype: What the model computes in.
            batch_tokens: Most tokens of a forward pass, padding included.

        Raises:
            OperatorError: `model_unsupported`, `model_unreadable`, `engine_start_failed`.
        """
        ...


Progress = Callable[[int, int], None]
"""Told how much is done, and how much there is in all."""
