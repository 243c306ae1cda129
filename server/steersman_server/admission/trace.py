"""The steps of a decision, for those who ask why; requests leave none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Step:
    """One step of admission: what it looked at, and what came of it."""

    step: str
    given: Any
    outcome: str

    def as_json(self) -> dict[str, Any]:
        """Returns it for programs."""
        return {"step": self.step, "input": self.given, "outcome": self.outcome}


class Trace(Protocol):
    """Where steps are told."""

    def note(self, step: str, given: Any, outcome: str) -> None:
        """Takes one step; what was given is written out only where steps are kept."""
        ...


class Silent:
    """Forgets every step."""

    def note(self, step: str, given: Any, outcome: str) -> None:
        """Does nothing."""


SILENT = Silent()


class Steps:
    """Keeps the steps in order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def note(self, step: str, given: Any, outcome: str) -> None:
        """Keeps one step."""
        if isinstance(given, BaseModel):
            given = given.model_dump(mode="json", exclude_defaults=True)
        self.steps.append(Step(step, given, outcome))
