"""What was found in an answer, and whether that makes it degenerate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Finding = Literal[
    "repetition", "script_switch", "language_switch", "gibberish", "empty", "truncated", "refusal"
]
DEGENERATE: frozenset[Finding] = frozenset(
    {"repetition", "script_switch", "language_switch", "gibberish", "empty"}
)
"""Findings of which one is enough. A truncated answer may be what `max_tokens` asked for, and a
refusal may be right: they are counted, no more."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that was found in one answer."""

    findings: frozenset[Finding] = frozenset()

    @property
    def degenerate(self) -> bool:
        """Returns whether nobody can want this answer."""
        return not DEGENERATE.isdisjoint(self.findings)
