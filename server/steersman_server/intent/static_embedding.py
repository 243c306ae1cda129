"""A text as the mean of its tokens' rows: model2vec's embedding, on a path of our own.

    x(text) = mean(rows[id] for id in tokens(text) if id != unknown);  x / |x|

Reads folders that model2vec writes. `StaticModel` of that package is the reference twin; this path
skips what it does per call (batches, buckets, a second truncation) and keeps the rows in int8.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .bounds import cut
from .files import (
    MAX_TENSOR_BYTES,
    MAX_TOKENIZER_BYTES,
    invalid,
    read_bytes,
    sha256,
    tensors,
)
from .tokens import WholeText, spec_of, tokens_of

MAX_DIMENSIONS = 4096
FILES = ("model.safetensors", "tokenizer.json")
SHIPPED = Path(__file__).parent / "embedding"
"""The embedding that comes with Steersman; see its README."""

SENTENCE_ENDS = (".", "!", "?")
LONGEST_SENTENCE = 32
"""Tokens: a longer one is looked at in pieces."""

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Digests:
    """sha256 of an embedding's files; a trained head fits these only."""

    model: str
    tokenizer: str


class StaticEmbedding:
    """Token rows and their tokenizer."""

    def __init__(self, rows: NDArray[Any], tokens: WholeText, digests: Digests) -> None:
        self.rows = rows
        self.tokens = tokens
        self.digests = digests
        self.dimensions = int(rows.shape[1])
        self._ends = np.zeros(len(rows), bool)
        for sign in SENTENCE_ENDS:
            token = tokens.tokenizer.token_to_id(sign)
            if token is not None:
                self._ends[token] = True

    def ids(self, text: str) -> Ids:
        """Returns the ids of the text's known tokens; a text beyond the bound is cut (`cut`)."""
        return np.asarray(self.tokens.ids(cut(text)), dtype=np.int64)

    def views(self, ids: Ids) -> Floats:
        """Returns the unit vectors of the whole text, then of each sentence if it has several.

        A sentence ends behind `.`, `!` or `?`, and after LONGEST_SENTENCE tokens without one.
        """
        rows = self.rows[ids].astype(np.float32, copy=False)
        whole: Floats = rows.sum(axis=0, keepdims=True)
        starts = self._starts(ids)
        if len(starts) < 2:
            return unit(whole)
        return unit(np.concatenate([whole, np.add.reduceat(rows, starts, axis=0)]))

    def encode(self, text: str) -> Floats:
        """Returns the text's vector: `[dimensions]`, of length 1."""
        rows = self.rows[self.ids(text)].astype(np.float32, copy=False)
        return unit(rows.sum(axis=0))

    def _starts(self, ids: Ids) -> list[int]:
        """Returns where the sentences of a text begin."""
        ends = [*(np.flatnonzero(self._ends[ids]) + 1).tolist(), len(ids)]
        starts: list[int] = []
        start = 0
        for end in ends:
            starts += range(start, end, LONGEST_SENTENCE)
            start = end
        return starts


def unit(sums: Floats) -> Floats:
    """Returns the vectors at length 1; zeros stay zeros. The mean's direction is the sum's."""
    norms = np.sqrt(np.einsum("...d,...d->...", sums, sums))[..., None]
    scaled: Floats = sums / np.maximum(norms, 1e-12)
    return scaled


def load_embedding(folder: Path) -> StaticEmbedding:
    """Reads an embedding; raises `CallerError(classifier_invalid)` for what cannot be used."""
    model, tokenizer = (folder / name for name in FILES)
    model_bytes = read_bytes(model, MAX_TENSOR_BYTES)
    tokenizer_bytes = read_bytes(tokenizer, MAX_TOKENIZER_BYTES)
    try:
        spec = spec_of(tokenizer_bytes)
        made = Tokenizer.from_str(json.dumps(spec))
    except Exception as error:  # tokenizers raises plain Exception for what it cannot parse
        raise invalid(tokenizer, f"is no tokenizer ({str(error)[:200]})") from error
    digests = Digests(sha256(model_bytes), sha256(tokenizer_bytes))
    rows = _rows(tensors(model_bytes, model), model)
    if len(rows) != made.get_vocab_size():
        raise invalid(model, f"has {len(rows)} rows, its tokenizer {made.get_vocab_size()} tokens")
    return StaticEmbedding(rows, tokens_of(made, spec), digests)


def _rows(held: dict[str, Any], path: Path) -> NDArray[Any]:
    """Returns the token rows; weights per token and shared rows are multiplied out."""
    rows = held.get("embeddings")
    if rows is None or rows.ndim != 2 or 0 in rows.shape or rows.shape[1] > MAX_DIMENSIONS:
        raise invalid(path, f"has no 'embeddings' of [tokens, 1 to {MAX_DIMENSIONS}]")
    try:
        if "mapping" in held:
            rows = rows[held["mapping"]]
        if "weights" in held:
            rows = rows.astype(np.float32) * held["weights"].astype(np.float32)[:, None]
    except (IndexError, ValueError) as error:
        raise invalid(path, f"its tensors do not fit each other ({error})") from error
    if rows.dtype != np.int8 and not np.isfinite(rows).all():
        raise invalid(path, "has rows that are not finite")
    kept: NDArray[Any] = rows if rows.dtype == np.int8 else rows.astype(np.float32)
    return kept
