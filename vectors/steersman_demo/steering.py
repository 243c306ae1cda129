"""Reference steering with Hugging Face hooks: x' = x + gate * delta at a decoder block's output."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from steersman_vectors.schedule import CONSTANT, AnySchedule, gate_reference
from steersman_vectors.spans import TurnMarkers, steered_turns
from steersman_vectors.vector import SteeringVector


@dataclass(frozen=True)
class Steering:
    """What is added to the residual stream, under scope `assistant`."""

    deltas: Mapping[int, Tensor]
    """fp32 `[hidden]` by layer_idx, alpha and scale multiplied in."""
    schedule: AnySchedule = CONSTANT

    def prompt_gates(self, ids: list[int], markers: TurnMarkers) -> list[float]:
        """The gate at every prompt position: assistant turns, each from its last header token."""
        gates = [0.0] * len(ids)
        for start, end in steered_turns("assistant", ids, markers):
            for position in range(start, len(ids) if end is None else end):
                gates[position] = gate_reference(self.schedule, position - start)
        return gates

    def answer_gate(self, index: int) -> float:
        """The gate at answer token `index`, zero-based; the header token comes before it."""
        return gate_reference(self.schedule, index + 1)


UNSTEERED = Steering({})


def steering_of(terms: Sequence[tuple[SteeringVector, float]], schedule: AnySchedule) -> Steering:
    """The steering that the vectors give together, each at its alpha."""
    deltas: dict[int, Tensor] = {}
    for vector, alpha in terms:
        for layer in vector.layers:
            delta = torch.from_numpy(vector.delta(layer, alpha))
            deltas[layer] = deltas[layer] + delta if layer in deltas else delta
    return Steering(deltas, schedule)


class GateCell:
    """Holds the gates, fp32 `[rows, length]`, of the forward pass that comes next."""

    def __init__(self) -> None:
        self.gates = torch.zeros(0, 0)


@contextmanager
def steered(
    model: LlamaForCausalLM, deltas: Mapping[int, Tensor], cell: GateCell
) -> Iterator[None]:
    """Within it, every forward adds `cell.gates * deltas[l]` to the output of block l."""

    def hook_for(delta: Tensor) -> Any:
        def hook(_module: torch.nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            return (output.float() + cell.gates[..., None] * delta).to(output.dtype)

        return hook

    blocks = model.model.layers
    handles = [blocks[i].register_forward_hook(hook_for(delta)) for i, delta in deltas.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
