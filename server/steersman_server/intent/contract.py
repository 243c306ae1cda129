"""What admission asks of an intent classifier, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .user_turn import UserTurn


@dataclass(frozen=True, slots=True)
class Intent:
    """What the latest user turn is about."""

    label: str | None
    """None: the classifier abstained, as it does below its threshold."""
    score: float
    """Of the best label, in [0, 1]."""
    best: str | None
    """The best label, also when the classifier abstained; for `explain`."""
    source: str
    """Who said so: `embedding`, `rules`, `http`; `fallback` when `http` could not."""


class IntentClassifier(Protocol):
    """Labels user turns. Safe to call from many tasks of one event loop at once."""

    labels: tuple[str, ...]
    """Every label that it may give."""
    safety_labels: frozenset[str]
    """Those of `labels` whose turns are served unsteered."""

    async def classify(self, turn: UserTurn) -> Intent:
        """Returns the intent of a turn. Never raises, and never holds the event loop for long."""
        ...

    async def aclose(self) -> None:
        """Gives back connections; the classifier is not used afterwards."""
        ...
