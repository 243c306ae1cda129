"""Batched sampling with Hugging Face forwards, steered or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedTokenizerFast

from steersman_demo.steering import UNSTEERED, GateCell, Steering, steered
from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.spans import TurnMarkers

BATCH_ROWS = 128
MAX_NEW_TOKENS = 192


@dataclass(frozen=True)
class Answer:
    """What was sampled and why it ended: `stop` or `length`."""

    text: str
    finish_reason: str


@torch.inference_mode()
def sample(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    chats: Sequence[Sequence[dict[str, str]]],
    steering: Steering = UNSTEERED,
    temperature: float = 0.8,
    seed: int = 0,
) -> list[Answer]:
    """One answer per chat, in order."""
    encoded = [
        tokenizer.apply_chat_template(list(chat), add_generation_prompt=True)["input_ids"]
        for chat in chats
    ]
    order = sorted(range(len(chats)), key=lambda i: len(encoded[i]))
    markers = markers_of_tokenizer(tokenizer)
    generator = torch.Generator().manual_seed(seed)
    answers: dict[int, Answer] = {}
    for first in range(0, len(order), BATCH_ROWS):
        rows = order[first : first + BATCH_ROWS]
        outputs = _sample_rows(
            model, tokenizer, [encoded[i] for i in rows], steering, markers, temperature, generator
        )
        answers.update(zip(rows, outputs, strict=True))
    return [answers[i] for i in range(len(chats))]


def left_padded(rows: list[list[int]], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """`ids`, `mask` and `positions`, each int64 `[rows, longest]`."""
    longest = max(map(len, rows))
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask, (mask.cumsum(-1) - 1).clamp(min=0)


def _sample_rows(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[list[int]],
    steering: Steering,
    markers: TurnMarkers,
    temperature: float,
    generator: torch.Generator,
) -> list[Answer]:
    end = tokenizer.eos_token_id
    ids, mask, positions = left_padded(prompts, tokenizer.pad_token_id)
    cell, cache = GateCell(), DynamicCache()
    gates = [steering.prompt_gates(prompt, markers) for prompt in prompts]
    cell.gates = torch.tensor([[0.0] * (ids.shape[1] - len(row)) + row for row in gates])
    alive = torch.arange(len(prompts))
    produced: list[list[int]] = [[] for _ in prompts]
    with steered(model, steering.deltas, cell):
        for step in range(MAX_NEW_TOKENS):
            logits = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            tokens = _draw(logits.float(), temperature, generator)
            for row, token in zip(alive.tolist(), tokens.tolist(), strict=True):
                produced[row].append(token)
            going = tokens != end
            if not going.any():
                break
            if not going.all() and (step % 8 == 7):
                cache.batch_select_indices(going.nonzero()[:, 0])
                alive, tokens, mask, positions = (
                    alive[going],
                    tokens[going],
                    mask[going],
                    positions[going],
                )
            ids, positions = tokens[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            cell.gates = torch.full((len(alive), 1), steering.answer_gate(step))
    return [_answer(row, end, tokenizer) for row in produced]


def _draw(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """One token per row of `[rows, vocab]` logits."""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]


def _answer(ids: list[int], end: int, tokenizer: PreTrainedTokenizerFast) -> Answer:
    finished = end in ids
    text = tokenizer.decode(ids[: ids.index(end)] if finished else ids)
    return Answer(text.strip(), "stop" if finished else "length")
