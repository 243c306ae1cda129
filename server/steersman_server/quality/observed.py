"""A sampled answer with what was decided about its request; what the judging thread is given."""

from __future__ import annotations

from dataclasses import dataclass

from ..admission.decision import Decision


@dataclass(frozen=True, slots=True)
class Observed:
    """One answer of one request; a request with `n` answers gives as many."""

    request_id: str
    decision: Decision
    """Tenant, vectors, flags' variants; `plan` is None where it ran unsteered."""
    prompt: str
    """The latest user turn, as far as the sampler keeps it; empty where none was found."""
    text: str
    finish_reason: str | None
    """As vLLM says: stop, length, abort, ...; None for a client that went away."""
    tokens: int
    mean_logprob: float | None
    """Of the answer's tokens, in nats; None where the engine was not asked for them."""
    at: float
    """Unix time."""
