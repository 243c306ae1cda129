"""Whether a request's answers are looked at: by its id, so that all who ask agree. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

QUALITY_SAMPLE = 0.05
"""The share of requests that are looked at where nobody says otherwise."""
_ALL = 2**64


def is_sampled(request_id: str, rate: float) -> bool:
    """Returns whether a request is in the sample of that rate, 0 to 1.

    A request in a sample is in every larger one. Whoever sends the same id twice gets the same
    answer twice.
    """
    if rate <= 0.0:
        return False
    drawn = int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "big")
    return drawn < rate * _ALL


def gives_answers(payload: Mapping[str, Any]) -> bool:
    """Returns whether what the engine generates for a request is its answer.

    Beam search asks the engine for one token at a time, and `max_tokens` 0 for the prompt alone.
    """
    return not payload.get("use_beam_search") and payload.get("max_tokens") != 0
