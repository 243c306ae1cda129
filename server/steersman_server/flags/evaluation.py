"""What an evaluation gives: the variant and why; and the steps that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

Reason = Literal["override", "static", "targeting_match", "default", "disabled", "error"]
"""flagd's own, and `override`. A `fractional` is a `targeting_match`, as in flagd."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One flag for one context."""

    flag: str
    variant: str
    """Empty only for a flag that does not exist."""
    value: JsonValue
    """NOTE: shared by all requests; nobody changes it."""
    reason: Reason


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation."""

    what: Literal["flag", "state", "override", "targeting", "fractional", "default", "result"]
    given: JsonValue
    """What was looked at."""
    outcome: JsonValue
    """What came of it, in a few words or as the value."""
