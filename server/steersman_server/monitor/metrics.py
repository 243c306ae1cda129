"""What is counted of each decision, at `/metrics` beside vLLM's own.

A request waits for this: a few dictionary look-ups and additions, some microseconds.
"""

from __future__ import annotations

from steersman_vectors.errors import SteersmanError

from ..admission.decision import Decision
from .bounded import Bounded, BoundedLabel
from .catalogue import (
    ADMISSION,
    ALPHA,
    ALPHA_ADDED,
    APPLIED,
    FALLBACKS,
    INTENTS,
    REFUSALS,
    REQUESTS,
    SAFETY,
    SIGNS,
    VARIANTS,
)

MAX_TENANTS = 200
MAX_REASONS = 100
MAX_VECTORS = 200
MAX_VERSIONS = 100
MAX_PRESETS = 50
MAX_INTENTS = 100
MAX_FLAGS = 100
MAX_VARIANTS = 100


class DecisionMetrics:
    """Counts decisions; knows which names have a label of their own."""

    def __init__(self) -> None:
        self.tenants = BoundedLabel(MAX_TENANTS)
        self.vectors = BoundedLabel(MAX_VECTORS)
        self.versions = BoundedLabel(MAX_VERSIONS)
        self.flags = BoundedLabel(MAX_FLAGS)
        self.variants = BoundedLabel(MAX_VARIANTS)
        self._requests = Bounded(REQUESTS, self.tenants, BoundedLabel(MAX_REASONS), None)
        self._refusals = Bounded(REFUSALS, None)
        self._fallbacks = Bounded(FALLBACKS, None)
        self._applied = Bounded(APPLIED, self.vectors, self.versions, BoundedLabel(MAX_PRESETS))
        self._alpha = Bounded(ALPHA, self.vectors)
        self._alpha_added = Bounded(ALPHA_ADDED, self.vectors, SIGNS)
        self._intents = Bounded(INTENTS, BoundedLabel(MAX_INTENTS))
        self._safety = Bounded(SAFETY, self.tenants)
        self._variants = Bounded(VARIANTS, self.flags, self.variants)

    def decided(self, decision: Decision) -> None:
        """Counts a request that was let in."""
        outcome = "steered" if decision.plan is not None else "unsteered"
        self._requests.of(decision.tenant, decision.reason, outcome).inc()
        for vector in decision.applied:
            preset = "none" if vector.preset is None else vector.preset
            self._applied.of(vector.name, str(vector.version), preset).inc()
            self._alpha.of(vector.name).observe(vector.alpha)
            self._alpha_added.of(vector.name, sign_of(vector.alpha)).inc(abs(vector.alpha))
        if decision.intent is not None:
            self._intents.of(decision.intent.label or "none").inc()
        if decision.reason == "safety_override":
            self._safety.of(decision.tenant).inc()
        if decision.fallback is not None:
            self._fallbacks.of(decision.fallback.code).inc()
        for flag in decision.flags:
            self._variants.of(flag.flag, flag.variant or "none").inc()

    def failed(self, decision: Decision) -> None:
        """Counts a request that was let in and that the engine's server then answered by an error.

        Nothing was applied: a body that vLLM does not take, a model that it does not know.
        """
        self._requests.of(decision.tenant, decision.reason, "failed").inc()

    def refused(self, tenant: str, error: SteersmanError) -> None:
        """Counts a request that was not let in."""
        self._requests.of(tenant, "none", "refused").inc()
        self._refusals.of(error.code).inc()

    def took(self, seconds: float) -> None:
        """Notes how long a request waited for its decision."""
        ADMISSION.observe(seconds)


def sign_of(value: float) -> str:
    """Returns the label of counters that add up what may be below 0, which counters cannot."""
    return "negative" if value < 0.0 else "positive"
