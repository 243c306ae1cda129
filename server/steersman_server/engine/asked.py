"""What the engine was asked for a request, kept so that it can be asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of the engine client's `generate`."""

    prompt: Any
    """As the route has made it: the token ids, and what else vLLM keeps beside."""
    sampling_params: Any
    """A copy that nobody else changes."""
    beside: Mapping[str, Any]
    """All other arguments by name, but the request's id."""


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy the engine is, as one API process can tell without asking."""

    unfinished: int
    """Sequences of this API process that are waiting or running."""
    places: int
    """How many the engines compute at once."""
    by_priority: bool
    """Whether requests of a lower priority give way."""
