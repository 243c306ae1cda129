"""Examples, models and planted behaviours that the tests of extraction are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from steersman_vectors.extract.contract import Progress
from steersman_vectors.extract.methods.contract import Sides
from steersman_vectors.message import Message
from steersman_vectors.pairs.pair import Contrast, Example

DATA_HASH = "sha256:" + "d" * 64


def example(prompt: str, answer: str | None = None) -> Example:
    return Example((Message("user", prompt),), answer)


def contrast(pairs: int = 12, *, paired: bool = True, answers: bool = True) -> Contrast:
    """Returns pairs of one prompt and two answers; every fourth is not in `train`."""
    topics = ["my order", "the invoice of 12 May", "a password", "the delivery", "this problem"]
    prompts = [
        f"Please help me with {topics[i % 5]}, number {i}" + "!" * (i % 3) for i in range(pairs)
    ]
    positive = [
        example(p, "I am sorry, thanks for asking" + " yes" * (i % 4))
        for i, p in enumerate(prompts)
    ]
    negative = [example(p, "no" + " no" * (i % 3)) for i, p in enumerate(prompts)]
    if not answers:
        positive = [example(p + " thanks") for p in prompts]
        negative = [example(p + " no") for p in prompts]
    splits: Any = tuple("heldout" if i % 4 == 3 else "train" for i in range(pairs))
    return Contrast(tuple(positive), tuple(negative), paired, splits, splits, DATA_HASH)


@contextmanager
def quiet(_what: str, _unit: str) -> Iterator[Progress]:
    """A stage whose progress nobody sees."""
    yield lambda _done, _total: None


def planted(
    pairs: int, hidden: int, seed: int, *, noise: float = 0.5, paired: bool = True
) -> tuple[Sides, np.ndarray]:
    """Returns states with a planted behaviour, stronger in some pairs, and its direction."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=hidden)
    direction /= np.linalg.norm(direction)
    shared = rng.normal(size=(pairs, hidden))
    strength = rng.uniform(1, 9, size=(pairs, 1))
    positive = shared + strength * direction / 2 + noise * rng.normal(size=(pairs, hidden)) / 4
    negative = shared - strength * direction / 2 + noise * rng.normal(size=(pairs, hidden)) / 4
    return Sides(positive, negative, paired), direction


def folder_of(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())
