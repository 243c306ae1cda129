"""What admission decided about one request: frozen, and the only thing later stages look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from steersman_vectors.card import Scope
from steersman_vectors.plan import SteeringPlan

Reason = Literal["request", "default", "request_off"]


@dataclass(frozen=True, slots=True)
class AppliedVector:
    """One vector as it is applied."""

    name: str
    version: int
    alpha: float
    digest: str
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Which plan runs, what the response says about it, and the revision it was made at."""

    plan: SteeringPlan | None
    """None: the request runs unsteered."""
    applied: tuple[AppliedVector, ...]
    reason: Reason
    revision: int
    scope: Scope | None = None

    def body_field(self) -> dict[str, Any]:
        """Returns the response's `steering` field."""
        field: dict[str, Any] = {
            "applied": [
                {
                    "vector": v.name,
                    "version": v.version,
                    "alpha": v.alpha,
                    **({"preset": v.preset} if v.preset is not None else {}),
                    "digest": v.digest,
                }
                for v in self.applied
            ],
            "reason": self.reason,
            "revision": self.revision,
        }
        if self.plan is not None:
            field["scope"] = self.scope
            field["schedule"] = self.plan.schedule.model_dump(mode="json")
        return field

    def headers(self) -> dict[str, str]:
        """Returns the response headers, values in ASCII."""
        applied = ", ".join(f"{v.name}@{v.version}={v.alpha:.10g}" for v in self.applied)
        return {
            "x-steering-applied": applied or "none",
            "x-steering-revision": str(self.revision),
        }
