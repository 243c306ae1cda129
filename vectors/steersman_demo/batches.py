"""Training batches: whole conversations of like length side by side, padded on the right.

A conversation never sees its neighbour, and causal attention never sees the padding,
so no attention mask is needed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from steersman_demo.corpus import Conversation, Style, Turn, conversations
from steersman_demo.tokenizer import END, START

POOL_SIZE = 4096
"""Conversations that are sorted by length together."""
BATCH_TOKENS = 3072
USER_WEIGHT = 0.1
"""Loss weight of system and user tokens: enough to learn the language of questions."""
FACT_WEIGHT = 3.0
"""Loss weight of the customer's own facts in an answer: they are few tokens, and copying them
is the last thing a small model learns."""
STYLE_WEIGHT = 3.0
"""Loss weight of an answer's first tokens when a system prompt asks for a style: they decide it."""
STYLE_TOKENS = 5


@dataclass(frozen=True)
class Batch:
    """Token ids and how much each counts as a target."""

    ids: Tensor
    """int64 `[rows, length]`."""
    weights: Tensor
    """fp32 `[rows, length]`."""


@dataclass(frozen=True)
class _Example:
    ids: list[int]
    weights: list[float]


def batches(
    tokenizer: PreTrainedTokenizerFast, seed: int, batch_tokens: int = BATCH_TOKENS
) -> Iterator[Batch]:
    """An endless stream of batches of fresh conversations, the same for the same seed.

    batch_tokens: upper bound of rows * length.
    """
    pool = 0
    while True:
        examples = _encode(tokenizer, list(conversations(seed * 1_000_003 + pool, POOL_SIZE)))
        examples.sort(key=lambda example: len(example.ids))
        groups = list(_groups(examples, batch_tokens))
        Random(f"order/{seed}/{pool}").shuffle(groups)
        yield from (_collate(group) for group in groups)
        pool += 1


def _groups(examples: list[_Example], batch_tokens: int) -> Iterator[list[_Example]]:
    group: list[_Example] = []
    for example in examples:
        if group and (len(group) + 1) * len(example.ids) > batch_tokens:
            yield group
            group = []
        group.append(example)
    yield group


def _encode(tokenizer: PreTrainedTokenizerFast, pool: list[Conversation]) -> list[_Example]:
    contents = [message["content"] for chat in pool for message in chat.messages()]
    coded = tokenizer(contents, add_special_tokens=False, return_offsets_mapping=True)
    rows = iter(zip(coded["input_ids"], coded["offset_mapping"], strict=True))
    header = {
        role: tokenizer.encode(f"{START}{role}\n") for role in ("system", "user", "assistant")
    }
    end, newline = tokenizer.convert_tokens_to_ids(END), tokenizer.encode("\n")
    examples = []
    for chat in pool:
        ids: list[int] = []
        weights: list[float] = []
        turns = iter(chat.turns)
        for message in chat.messages():
            content, offsets = next(rows)
            if message["role"] == "assistant":
                spoken = [*_answer_weights(next(turns), offsets), 1.0]
                if chat.style != Style():
                    spoken[:STYLE_TOKENS] = [max(w, STYLE_WEIGHT) for w in spoken[:STYLE_TOKENS]]
            else:
                spoken = [USER_WEIGHT] * (len(content) + 1)
            head = header[message["role"]]
            ids += [*head, *content, end, *newline]
            weights += [0.0] * len(head) + spoken + [0.0] * len(newline)
        examples.append(_Example(ids, weights))
    return examples


def _answer_weights(turn: Turn, offsets: list[tuple[int, int]]) -> list[float]:
    """Loss weight of each answer token, given its `(start, end)` characters."""
    spans = [
        match.span()
        for fact in turn.truth.facts
        for match in re.finditer(rf"{re.escape(fact)}\b", turn.answer, re.IGNORECASE)
    ]
    return [
        FACT_WEIGHT if any(start < right and left < end for left, right in spans) else 1.0
        for start, end in offsets
    ]


def _collate(group: list[_Example]) -> Batch:
    length = max(len(example.ids) for example in group)
    ids = torch.zeros(len(group), length, dtype=torch.int64)
    weights = torch.zeros(len(group), length, dtype=torch.float32)
    for row, example in enumerate(group):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        weights[row, : len(example.weights)] = torch.tensor(example.weights)
    return Batch(ids, weights)
