"""Counters of decisions, at `/metrics` beside vLLM's own.

Tenants are labels of counters only, and bounded: those that come after the first so many are
counted together, as `other`.
"""

from __future__ import annotations

from steersman_vectors.errors import SteersmanError

from ..admission.decision import Decision
from .catalogue import INTENTS, REFUSALS, REQUESTS, SAFETY, VARIANTS

MAX_TENANTS = 200
OTHER = "other"


class DecisionMetrics:
    """Counts decisions; knows which tenants have a label of their own."""

    def __init__(self) -> None:
        self._tenants: set[str] = set()

    def decided(self, decision: Decision) -> None:
        """Counts a request that was let in."""
        tenant = self.tenant_label(decision.tenant)
        outcome = "steered" if decision.plan is not None else "unsteered"
        REQUESTS.labels(tenant, decision.reason, outcome).inc()
        if decision.intent is not None:
            INTENTS.labels(decision.intent.label or "none").inc()
        if decision.reason == "safety_override":
            SAFETY.labels(tenant).inc()
        for flag in decision.flags:
            VARIANTS.labels(flag.flag, flag.variant or "none").inc()

    def refused(self, tenant: str, error: SteersmanError) -> None:
        """Counts a request that was not let in."""
        REQUESTS.labels(self.tenant_label(tenant), "none", "refused").inc()
        REFUSALS.labels(error.code).inc()

    def tenant_label(self, tenant: str) -> str:
        """Returns the value of the `tenant` label: the tenant's name, or `other`."""
        if tenant not in self._tenants:
            if len(self._tenants) >= MAX_TENANTS:
                return OTHER
            self._tenants.add(tenant)
        return tenant
