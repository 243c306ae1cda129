"""Sampled answers, as the judging thread is given them."""

from __future__ import annotations

from steersman_server.admission.decision import AppliedVector, Decision
from steersman_server.quality.observed import Observed
from steersman_vectors.plan import SteeringPlan

DIGEST = "sha256:" + "0" * 64


def observed(
    *, tenant: str = "acme", scale: float = 1.0, revision: int = 0, steered: bool = True
) -> Observed:
    """Returns an answer of a request that was decided so."""
    alpha = 0.5 * scale
    plan = SteeringPlan(terms=((DIGEST, alpha),), scope="generation") if steered else None
    applied = (AppliedVector("empathy", 1, alpha, DIGEST),) if steered else ()
    decision = Decision(plan, applied, "default", revision, tenant=tenant, scale=scale)
    return Observed("r", decision, "", "", "stop", 1, None, 0.0)
