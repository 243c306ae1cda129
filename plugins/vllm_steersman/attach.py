"""Attaching to the model: device buffers, and one forward hook per steered decoder block.

The hook is traced into vLLM's compiled graph. It reads persistent buffers that are only ever
written in place, so neither a new plan nor a new vector recompiles or recaptures anything.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    token_row   `[max_num_batched_tokens]` int64: the row of each token of the step.
    token_gate  `[max_num_batched_tokens, 1]` fp32: its gate.
    """

    rows: torch.Tensor
    token_row: torch.Tensor
    token_gate: torch.Tensor
    layers: tuple[int, ...]
    """layer_idx of each first index of `rows`."""

    @property
    def nbytes(self) -> int:
        """Returns the bytes held on the device."""
        return sum(
            t.numel() * t.element_size() for t in (self.rows, self.token_row, self.token_gate)
        )


def steer(
    hidden: torch.Tensor, rows: torch.Tensor, token_row: torch.Tensor, token_gate: torch.Tensor
) -> torch.Tensor:
    """Returns hidden + rows[token_row[:n]] * token_gate[:n], `[n, hidden]` in hidden's dtype."""
    n = hidden.shape[0]
    return hidden + (rows[token_row[:n]] * token_gate[:n]).to(hidden.dtype)


def steer_block_output(block: Any, _inputs: Any, output: Any) -> Any:
    """Forward hook of a decoder block: x' = x + delta, where x = hidden (+ residual)."""
    rows, token_row, token_gate = (
        block.steering_rows,
        block.steering_token_row,
        block.steering_token_gate,
    )
    if isinstance(output, tuple):
        return (steer(output[0], rows, token_row, token_gate), *output[1:])
    return steer(output, rows, token_row, token_gate)


def find_blocks(model: nn.Module, num_layers: int) -> nn.ModuleList:
    """Returns the decoder blocks of the language model.

    The blocks are the one ModuleList with as many entries as the config has layers; a wrapper with
    a language model inside is searched there first. Raises `OperatorError(model_unsupported)`.
    """
    inner = getattr(model, "get_language_model", None)
    roots = [inner()] if callable(inner) else []
    for root in [*roots, model]:
        lists = [
            (name, m)
            for name, m in root.named_modules()
            if isinstance(m, nn.ModuleList) and len(m) == num_layers
        ]
        outer = [m for name, m in lists if not any(name.startswith(f"{o}.") for o, _ in lists)]
        if len(outer) == 1:
            return outer[0]
    raise OperatorError(
        f"cannot find the {num_layers} decoder blocks of {type(model).__name__}: expected exactly "
        "one list of that length. This architecture cannot be steered yet",
        code="model_unsupported",
    )


def attach(
    blocks: nn.ModuleList,
    layers: Sequence[int],
    *,
    num_rows: int,
    hidden_size: int,
    max_tokens: int,
    dtype: torch.dtype,
    device: torch.device,
) -> SteeringBuffers:
    """Allocates zeroed buffers and hooks those of `layers` that live on this rank."""
    local = tuple(i for i in layers if not compat.is_absent_layer(blocks[i]))
    buffers = SteeringBuffers(
        rows=torch.zeros(len(local), num_rows, hidden_size, dtype=dtype, device=device),
        token_row=torch.zeros(max_tokens, dtype=torch.int64, device=device),
        token_gate=torch.zeros(max_tokens, 1, dtype=torch.float32, device=device),
        layers=local,
    )
    for k, layer_idx in enumerate(local):
        block = blocks[layer_idx]
        block.register_buffer("steering_rows", buffers.rows[k], persistent=False)
        block.register_buffer("steering_token_row", buffers.token_row, persistent=False)
        block.register_buffer("steering_token_gate", buffers.token_gate, persistent=False)
        block.register_forward_hook(steer_block_output)
    return buffers
