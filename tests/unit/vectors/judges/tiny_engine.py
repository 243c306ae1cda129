"""`OfflineEngine.weigh` and an `ActivationSource` on a real Hugging Face model, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_vectors.extract.contract import Read, SpanStates
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import Answer, Ask, Dose, Given, Weighed
from steersman_vectors.vector import SteeringVector
from tests.tiny_model import HIDDEN, LAYERS


class TinyEngine:
    """Slow and obvious: whole forwards, the dose added by hooks from the last prompt token on."""

    layers = tuple(range(LAYERS))
    fingerprint = "sha256:tiny"
    hidden_size = HIDDEN
    max_tokens = 2048

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)  # threads that wait for each other take minutes on a busy machine
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.vectors: dict[str, dict[int, torch.Tensor]] = {}
        self.weighed = 0

    def prompt_ids(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        ids = self.tokenizer.apply_chat_template(
            [turn.as_json() for turn in messages], add_generation_prompt=True, return_dict=False
        )
        return tuple(ids)

    def load(self, vector: SteeringVector) -> str:
        raise NotImplementedError

    def answer(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer]]:
        for index, ask in enumerate(asks):
            ids = list(self.prompt_ids(ask.messages))
            start, logprobs = len(ids), []
            for _ in range(ask.max_tokens):
                at = self.logprobs(ids, ask.dose, start)[-1]
                ids.append(int(at.argmax()))
                logprobs.append(float(at.max()))
            said = ids[start:]
            yield index, Answer(self.tokenizer.decode(said), "length", tuple(said), tuple(logprobs))

    def weigh(self, given: Sequence[Given]) -> Iterator[tuple[int, Weighed]]:
        for index, one in enumerate(given):
            self.weighed += 1
            prompt = self.prompt_ids(one.messages)
            ids = [*prompt, *one.answer]
            rows = self.logprobs(ids, one.dose, len(prompt))[len(prompt) - 1 : -1]
            own = tuple(float(row[token]) for row, token in zip(rows, one.answer, strict=True))
            tops = [row.topk(one.top) for row in rows] if one.top else []
            top = tuple(
                dict(zip(found.indices.tolist(), found.values.tolist(), strict=True))
                for found in tops
            ) or ({},) * len(one.answer)
            yield index, Weighed(own, top)

    def logprobs(self, ids: Sequence[int], dose: Dose, start: int) -> torch.Tensor:
        """`[tokens, vocabulary]`, fp64: of the token after each."""
        with torch.no_grad(), ExitStack() as hooks:
            for digest, alpha in dose.terms:
                for layer, direction in self.vectors[digest].items():
                    block = self.model.model.layers[layer]
                    hook = block.register_forward_hook(_adding(alpha * direction, start - 1))
                    hooks.callback(hook.remove)
            logits = self.model(torch.tensor([list(ids)])).logits[0]
        return logits.double().log_softmax(-1)

    def read(self, reads: Sequence[Read]) -> Iterator[tuple[int, SpanStates]]:
        for index, one in reversed(list(enumerate(reads))):
            kept: list[Any] = [None] * LAYERS
            hooks = [
                block.register_forward_hook(_keeping(kept, at))
                for at, block in enumerate(self.model.model.layers)
            ]
            with torch.no_grad():
                self.model(torch.tensor([list(one.token_ids)]))
            for hook in hooks:
                hook.remove()
            states = np.stack(kept, axis=1)  # [tokens, layers, hidden]
            mean = np.stack([states[start:end].mean(axis=0) for start, end in one.spans])
            norm = np.stack(
                [np.linalg.norm(states[s:e], axis=-1).mean(axis=0) for s, e in one.spans]
            )
            yield index, SpanStates(mean.astype(np.float32), norm.astype(np.float32))


def _adding(delta: torch.Tensor, start: int) -> Any:
    def hook(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden = hidden.clone()
        hidden[:, start:] += delta
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return hook


def _keeping(kept: list[Any], at: int) -> Any:
    def hook(_module: Any, _args: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        kept[at] = hidden[0].float().numpy()

    return hook
