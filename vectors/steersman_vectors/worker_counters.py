"""What a worker has counted since it was attached: told by the plugin, read by the server."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

COUNTERS_KEY = "counters"
"""Of the answer to `RPC_STATUS`."""


@dataclass(frozen=True, slots=True)
class WorkerCounters:
    """Totals that only grow while `since` stays the same."""

    since: str
    """Drawn anew whenever a worker starts to count from 0."""
    unsteered_steps: int = 0
    """Engine steps while no request with a plan was known."""
    routed_steps: int = 0
    """Steps whose rows and gates were written."""
    settled_steps: int = 0
    """Steps of an unchanged batch, for which nothing had to be written."""
    tokens: int = 0
    """Token positions computed with a gate that is not 0."""
    host_seconds: float = 0.0
    """Host time of all these steps, requests that came and went included."""
    loads: int = 0
    """Vectors made resident."""
    load_seconds: float = 0.0
    """Time that took, beside the steps."""
    tone: tuple[float, ...] = ()
    """Of each read-out slot four totals: tokens unsteered, tokens steered, units unsteered, units
    steered; a token's units are (1 + cos) / 2."""

    def as_json(self) -> dict[str, Any]:
        """Returns it for the wire."""
        return asdict(self)

    @classmethod
    def of(cls, value: dict[str, Any]) -> WorkerCounters:
        """Returns what `as_json` made of it; raises `TypeError` for anything else."""
        return cls(**{**value, "tone": tuple(value.get("tone", ()))})
