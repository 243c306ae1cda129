"""Observed answers and decisions, as tests of quality need them."""

from __future__ import annotations

from dataclasses import replace

from steersman_server.admission.decision import AppliedVector, Decision
from steersman_server.flags.evaluation import Evaluation
from steersman_server.quality.observed import Observed
from steersman_vectors.plan import SteeringPlan

DIGEST = "sha256:" + "a" * 64
UNSTEERED = Decision(None, (), "default", 1, tenant="acme")
STEERED = Decision(
    SteeringPlan(terms=((DIGEST, 1.0),), scope="all"), (AppliedVector("empathy", 3, 1.0, DIGEST),),
    "request", 1, tenant="acme", flags=(Evaluation("tone", "warm", True, "static"),),
)  # fmt: skip
FINE = Observed("id", UNSTEERED, "How are you?", "I am fine, thank you.", "stop", 6, -0.5, 0.0)


def observed(**changes: object) -> Observed:
    return replace(FINE, **changes)  # type: ignore[arg-type]
