"""The oracle: a Hugging Face forward with hooks, position by position, no cache, no batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from transformers import LlamaForCausalLM

from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import gate_reference
from steersman_vectors.vector import SteeringVector


class HuggingFaceReference:
    """Log-probabilities of a whole sequence under a plan, in fp32."""

    def __init__(
        self,
        folder: Path,
        model_class: Any = LlamaForCausalLM,
        blocks: Callable[[Any], Any] = lambda model: model.model.layers,
    ) -> None:
        self.model = model_class.from_pretrained(folder, dtype=torch.float32)
        self.model.eval()
        self.blocks = blocks(self.model)

    def logprobs(
        self,
        ids: Sequence[int],
        plan: SteeringPlan | None,
        vectors: Mapping[str, SteeringVector],
        **inputs: torch.Tensor,
    ) -> torch.Tensor:
        """Returns `[len(ids), vocab]`: row t holds the log-probabilities of token t + 1.

        inputs: what else the model takes, such as pixels.
        """
        return self._forward(ids, plan, vectors, inputs).log_softmax(-1)

    def streams(
        self,
        ids: Sequence[int],
        plan: SteeringPlan | None = None,
        vectors: Mapping[str, SteeringVector] = MappingProxyType({}),
    ) -> torch.Tensor:
        """Returns `[blocks, len(ids), hidden]`: x at each block's output, before its own delta."""
        kept: list[torch.Tensor] = []

        def keep(_module, _inputs, output):
            kept.append((output[0] if isinstance(output, tuple) else output)[0].clone())

        hooks = [block.register_forward_hook(keep) for block in self.blocks]
        try:
            self._forward(ids, plan, vectors, {})
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(kept)

    def _forward(
        self,
        ids: Sequence[int],
        plan: SteeringPlan | None,
        vectors: Mapping[str, SteeringVector],
        inputs: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        """Returns the logits, `[len(ids), vocab]`."""
        gate = torch.zeros(len(ids), 1)
        deltas: dict[int, np.ndarray] = {}
        by_norm: dict[int, np.ndarray] = {}
        if plan is not None:
            for start, end in plan.turns or ():
                for position in range(start, len(ids) if end is None else min(end, len(ids))):
                    gate[position] = gate_reference(plan.schedule, position - start)
            for digest, alpha in plan.terms:
                vector = vectors[digest]
                sums = by_norm if vector.card.scale == "token" else deltas
                for layer_idx in vector.layers:
                    sums[layer_idx] = sums.get(layer_idx, 0.0) + vector.delta(layer_idx, alpha)
        hooks = []
        for layer_idx in deltas.keys() | by_norm.keys():
            zero = np.zeros(self.model.config.get_text_config().hidden_size)
            delta = torch.tensor(deltas.get(layer_idx, zero)).float()
            per_norm = torch.tensor(by_norm.get(layer_idx, zero)).float()
            block = self.blocks[layer_idx]
            hooks.append(block.register_forward_hook(_adding(gate, delta, per_norm)))
        try:
            with torch.no_grad():
                logits: torch.Tensor = self.model(torch.tensor([list(ids)]), **inputs).logits[0]
        finally:
            for hook in hooks:
                hook.remove()
        return logits


def _adding(gate: torch.Tensor, delta: torch.Tensor, per_norm: torch.Tensor):
    def hook(_module, _inputs, output):
        x = output[0] if isinstance(output, tuple) else output
        steered = x + gate * (delta + per_norm * x.norm(dim=-1, keepdim=True))
        return (steered, *output[1:]) if isinstance(output, tuple) else steered

    return hook
