"""What sweeps, judges and calibration ask: an offline engine, the serving stack without a server.

Found by name in the entry point group `steersman.engines`; each entry is an `OpenEngine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..card import Scope
from ..message import Message
from ..schedule import CONSTANT, AnySchedule
from ..vector import SteeringVector

ENTRY_POINTS = "steersman.engines"


@dataclass(frozen=True, slots=True)
class Dose:
    """What a request is steered by; without terms: nothing."""

    terms: tuple[tuple[str, float], ...] = ()
    """Digest of a loaded vector, alpha."""
    scope: Scope = "assistant"
    schedule: AnySchedule = CONSTANT


UNSTEERED = Dose()


@dataclass(frozen=True, slots=True)
class Ask:
    """One answer that is wanted."""

    messages: tuple[Message, ...]
    """Ends with a user turn."""
    dose: Dose = UNSTEERED
    temperature: float = 0.0
    max_tokens: int = 256
    seed: int | None = None
    """Draws the same answer again, whatever else is asked beside it; None: drawn anew."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine said."""

    text: str
    finish_reason: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of each token, in nats, under the model that gave it, before temperature."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer to be weighed, not written: the model is shown it token by token."""

    messages: tuple[Message, ...]
    answer: tuple[int, ...]
    """Token ids after the generation header."""
    dose: Dose = UNSTEERED
    top: int = 0
    """Of how many of the likeliest tokens at each position the log-probability is wanted too."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """How likely each token of a given answer is, in nats."""

    logprobs: tuple[float, ...]
    """Of the answer's own tokens."""
    top: tuple[dict[int, float], ...]
    """At each position: token -> log-probability of the `top` likeliest; empty dicts for top 0."""


class OfflineEngine(Protocol):
    """One engine, booted once, that answers batches under any dose."""

    layers: tuple[int, ...]
    """The decoder blocks that it can steer."""
    fingerprint: str

    def load(self, vector: SteeringVector) -> str:
        """Makes a vector resident and returns its digest; raises `CallerError`."""
        ...

    def answer(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer]]:
        """Yields (index in `asks`, answer), each once, as they are finished.

        Raises `CallerError(too_long)` before anything is answered if a prompt is too long.
        """
        ...

    def weigh(self, given: Sequence[Given]) -> Iterator[tuple[int, Weighed]]:
        """Yields (index in `given`, how likely its tokens are), each once, as they are finished."""
        ...


class OpenEngine(Protocol):
    """Boots an engine; it is let go at the end of the block."""

    def __call__(
        self, model_dir: Path, *, layers: Sequence[int] | None, max_num_seqs: int
    ) -> AbstractContextManager[OfflineEngine]:
        """Boots the engine on the checkpoint in `model_dir`; layers None: all are steerable."""
        ...
