"""What is wrong with a set of pairs, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
MAX_LINES_NAMED = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a vector made from these pairs would suffer from."""

    severity: Severity
    """error: it would be wrong; warning: it may be; note: know it."""
    code: str
    """Stable, for programs."""
    message: str
    """What was found, with its figures."""
    remedy: str
    lines: tuple[int, ...] = ()
    """Numbers of the first lines that it is about."""


def finding(
    severity: Severity, code: str, message: str, remedy: str, lines: list[int] | None = None
) -> Finding:
    """Returns a finding that names at most the first lines."""
    return Finding(severity, code, message, remedy, tuple((lines or [])[:MAX_LINES_NAMED]))
