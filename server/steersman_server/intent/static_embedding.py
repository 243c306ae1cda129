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
SHORTEST_SENTENCE, LONGEST_SENTENCE, MOST_SENTENCES = 3, 32, 160
"""Tokens, tokens, and sentences of one text."""
MOST_TOKENS = 1536
"""Of a text; 4,001 characters of words have about 1,000, of mere signs as many as characters."""

_NTH = np.arange(LONGEST_SENTENCE)[:, None]
"""Which token of its sentence each row of padded sentences holds."""

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
        self.tokens = tokens
        self.digests = digests
        self.dimensions = int(rows.shape[1])
        self._nothing = len(rows)
        self._rows = np.concatenate([rows, np.zeros((1, self.dimensions), rows.dtype)])
        self._sum_dtype = np.int16 if rows.dtype == np.int8 else np.float32
        signs = [tokens.tokenizer.token_to_id(sign) for sign in SENTENCE_ENDS]
        self._ends = np.isin(np.arange(len(rows)), [sign for sign in signs if sign is not None])

    @property
    def rows(self) -> NDArray[Any]:
        """`[tokens, dimensions]`."""
        rows: NDArray[Any] = self._rows[:-1]
        return rows

    def ids(self, text: str) -> Ids:
        """Returns the ids of the text's known tokens; what is beyond the bounds is left out."""
        return np.asarray(self.tokens.ids(cut(text))[:MOST_TOKENS], dtype=np.int64)

    def views(self, ids: Ids) -> Floats:
        """Returns the unit vectors of the whole text, then of each sentence if it has several.

        Those shorter than SHORTEST_SENTENCE, such as the dots of "...", are in the whole only:
        alone they say nothing.
        """
        sums, lengths = self._sums(ids)
        whole = sums.sum(axis=0, keepdims=True, dtype=np.float32)
        if len(sums) < 2:
            return unit(whole)
        return unit(np.concatenate([whole, sums[lengths >= SHORTEST_SENTENCE]]))

    def encode(self, text: str) -> Floats:
        """Returns the text's vector: `[dimensions]`, of length 1."""
        whole: Floats = self.views(self.ids(text))[0]
        return whole

    def _sums(self, ids: Ids) -> tuple[NDArray[Any], Ids]:
        """Returns each sentence's sum of rows, `[sentences, dimensions]`, and its tokens' number.

        Sentences are padded to the longest one, and the rows gathered and summed as int8, sentences
        side by side: a quarter of the time that numpy takes over stretches of different lengths.
        """
        bounds = np.array(sentence_bounds(ids, self._ends))
        starts, lengths = bounds[:-1], bounds[1:] - bounds[:-1]
        nth = _NTH[: lengths.max(initial=0)]
        padded = ids.take(nth + starts, mode="clip")
        padded[nth >= lengths] = self._nothing
        return self._rows.take(padded, axis=0).sum(axis=0, dtype=self._sum_dtype), lengths


def sentence_bounds(ids: Ids, ends: NDArray[np.bool_]) -> list[int]:
    """Returns 0 and where each sentence of a text ends, which is where the next one begins.

    One ends behind `.`, `!` or `?`, and after LONGEST_SENTENCE tokens without. A text of more than
    MOST_SENTENCES, which is none that a person wrote, is cut every LONGEST_SENTENCE tokens.
    """
    stops = [*(ends.take(ids).nonzero()[0] + 1).tolist(), len(ids)]
    if len(stops) > MOST_SENTENCES:
        stops = stops[-1:]
    bounds = [0]
    last = 0
    for stop in stops:
        while stop - last > LONGEST_SENTENCE:
            last += LONGEST_SENTENCE
            bounds.append(last)
        if stop > last:
            bounds.append(stop)
            last = stop
    return bounds


def unit(sums: Floats) -> Floats:
    """Returns the vectors at length 1; zeros stay zeros. The mean's direction is the sum's."""
    norms = np.sqrt(np.vecdot(sums, sums))[..., None]
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
