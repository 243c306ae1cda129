"""Attaching to the model: device buffers, and one forward hook per steered decoder block.

The hook is traced into vLLM's compiled graph. It reads persistent buffers that are only ever
written in place, so neither a new plan nor a new vector recompiles or recaptures anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from steersman_vectors.errors import OperatorError

from . import compat


@dataclass(frozen=True, slots=True)
class SteeringBuffers:
    """Device memory that the hooks read.

    rows        `[L, R, hidden]` model dtype; row 0 is zero. L steered blocks of this rank.
    token_rows  the same for vectors of scale `token`, or None in an engine without that.
    token_row   `[max_num_batched_tokens]` int64: the row of each token of the step.
    token_gate  `[max_num_batched_tokens, 1]` fp32: its gate.
    kept        `[K, max_num_batched_tokens, hidden]` model dtype, written by the hooks of K blocks:
                each token's x before that block's own delta; or None where nobody reads it.
    """

    rows: torch.Tensor
    token_row: torch.Tensor
    token_gate: torch.Tensor
    layers: tuple[int, ...]
    """layer_idx of each first index of `rows`."""
    token_rows: torch.Tensor | None = None
    blocks: tuple[nn.Module, ...] = ()
    """The steered blocks, in the order of `layers`."""
    kept: torch.Tensor | None = None
    kept_layers: tuple[int, ...] = ()
    """layer_idx of each first index of `kept`."""

    def hooked(self) -> tuple[int, ...]:
        """Returns the layers whose block has the hook, and reads these very buffers."""
        return tuple(
            layer_idx
            for k, (layer_idx, block) in enumerate(zip(self.layers, self.blocks, strict=True))
            if steer_block_output in block._forward_hooks.values()
            and all(_same_memory(getattr(block, n), t) for n, t in self._read_by(k).items())
        )

    def _read_by(self, k: int) -> dict[str, torch.Tensor | None]:
        """Returns what the hook of the k-th steered block reads, under the block's names for it."""
        return {
            "steering_rows": self.rows[k],
            "steering_token_row": self.token_row,
            "steering_token_gate": self.token_gate,
            "steering_token_rows": None if self.token_rows is None else self.token_rows[k],
            "steering_kept": self._kept_by(self.layers[k]),
        }

    def _kept_by(self, layer_idx: int) -> torch.Tensor | None:
        """Returns where the hook of a block keeps x, `[max_num_batched_tokens, hidden]`."""
        if self.kept is None or layer_idx not in self.kept_layers:
            return None
        return self.kept[self.kept_layers.index(layer_idx)]

    @property
    def nbytes(self) -> int:
        """Returns the bytes held on the device."""
        held = (self.rows, self.token_row, self.token_gate, self.token_rows, self.kept)
        return sum(t.numel() * t.element_size() for t in held if t is not None)


def _same_memory(a: Any, b: torch.Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return isinstance(a, torch.Tensor) and a.data_ptr() == b.data_ptr()


def steer(
    hidden: torch.Tensor, rows: torch.Tensor, token_row: torch.Tensor, token_gate: torch.Tensor
) -> torch.Tensor:
    """Returns hidden + rows[token_row[:n]] * token_gate[:n], in the shape and dtype of hidden.

    hidden: `[n, hidden]`, or `[1, n, hidden]` as in vLLM's backend for Hugging Face models.
    """
    n = hidden.shape[-2]
    return hidden + (rows[token_row[:n]] * token_gate[:n]).to(hidden.dtype)


def steer_by_norm(
    hidden: torch.Tensor,
    x: torch.Tensor,
    token_rows: torch.Tensor,
    token_row: torch.Tensor,
    token_gate: torch.Tensor,
) -> torch.Tensor:
    """Returns hidden + token_rows[token_row[:n]] * token_gate[:n] * ||x||; norms in fp32."""
    n = hidden.shape[-2]
    norm: torch.Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    delta = token_rows[token_row[:n]] * (token_gate[:n] * norm)
    return hidden + delta.to(hidden.dtype)


def keep(x: torch.Tensor, kept: torch.Tensor) -> None:
    """Writes x, `[n, hidden]` or `[1, n, hidden]`, into the first n tokens of `kept`."""
    kept[: x.shape[-2]].copy_(x[0] if x.ndim == 3 else x)


def is_residual_stream(hidden: torch.Tensor, rows: torch.Tensor) -> bool:
    """Returns whether a block's output is `[n, hidden]` or `[1, n, hidden]`; no cost in a graph."""
    one_sequence = hidden.ndim == 2 or (hidden.ndim == 3 and hidden.shape[0] == 1)
    return one_sequence and hidden.shape[-1] == rows.shape[1]


def steer_block_output(block: Any, _inputs: Any, output: Any) -> Any:
    """Forward hook of a decoder block: x' = x + delta, where x = hidden (+ residual)."""
    where = (block.steering_token_row, block.steering_token_gate)
    hidden = output[0] if isinstance(output, tuple) else output
    if not is_residual_stream(hidden, block.steering_rows):
        raise OperatorError(
            f"a decoder block of type {type(block).__name__} returns {tuple(hidden.shape)} and not "
            f"[tokens, {block.steering_rows.shape[1]}]: its residual stream has several lanes or "
            "another layout. This architecture cannot be steered yet",
            code="model_unsupported",
        )
    steered = steer(hidden, block.steering_rows, *where)
    if block.steering_token_rows is not None or block.steering_kept is not None:
        fused = isinstance(output, tuple) and len(output) > 1 and output[1] is not None
        x = hidden + output[1] if fused else hidden
        if block.steering_kept is not None:
            keep(x, block.steering_kept)
        if block.steering_token_rows is not None:
            steered = steer_by_norm(steered, x, block.steering_token_rows, *where)
    return (steered, *output[1:]) if isinstance(output, tuple) else steered


def attach(
    blocks: nn.ModuleList,
    layers: Sequence[int],
    *,
    num_rows: int,
    hidden_size: int,
    max_tokens: int,
    token_scale: bool = False,
    kept_layers: Collection[int] = (),
    dtype: torch.dtype,
    device: torch.device,
) -> SteeringBuffers:
    """Allocates zeroed buffers and hooks those of `layers` that live on this rank.

    kept_layers: those of `layers` whose hook keeps x.
    """
    local = tuple(i for i in layers if not compat.is_absent_layer(blocks[i]))
    keeping = tuple(i for i in local if i in kept_layers)
    shape = (len(local), num_rows, hidden_size)
    buffers = SteeringBuffers(
        rows=torch.zeros(*shape, dtype=dtype, device=device),
        token_row=torch.zeros(max_tokens, dtype=torch.int64, device=device),
        token_gate=torch.zeros(max_tokens, 1, dtype=torch.float32, device=device),
        layers=local,
        token_rows=torch.zeros(*shape, dtype=dtype, device=device) if token_scale else None,
        blocks=tuple(blocks[i] for i in local),
        kept=torch.zeros(len(keeping), max_tokens, hidden_size, dtype=dtype, device=device)
        if keeping
        else None,
        kept_layers=keeping,
    )
    for k, layer_idx in enumerate(local):
        block = blocks[layer_idx]
        for name, buffer in buffers._read_by(k).items():
            block.register_buffer(name, buffer, persistent=False)
        block.register_forward_hook(steer_block_output)
    return buffers
