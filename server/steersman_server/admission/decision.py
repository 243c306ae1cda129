"""What admission decided about one request: frozen, and the only thing later stages look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from steersman_vectors.card import Scope
from steersman_vectors.errors import SteersmanError
from steersman_vectors.plan import SteeringPlan

from ..flags.evaluation import Evaluation
from ..intent.contract import Intent

Reason = str
"""`request`, `profile:NAME`, `policy:RULE`, `default`, `flag_off`, `kill_switch`,
`backed_off`, `safety_override` or `request_off`."""


@dataclass(frozen=True, slots=True)
class AppliedVector:
    """One vector as it is applied."""

    name: str
    version: int
    alpha: float
    digest: str
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why a tenant's own steering was not applied, where its policy is to serve without it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Which plan runs, what the response says about it, and the revision it was made at."""

    plan: SteeringPlan | None
    """None: the request runs unsteered."""
    applied: tuple[AppliedVector, ...]
    reason: Reason
    revision: int
    scope: Scope | None = None
    tenant: str = ""
    intent: Intent | None = None
    flags: tuple[Evaluation, ...] = ()
    """Of flags with variants that had a say."""
    switched_off: tuple[str, ...] = ()
    """Vectors that were asked for and whose flag is off."""
    scale: float = 1.0
    """What the tenant's back-off multiplied every alpha by; 0: it switched steering off."""
    fallback: Fallback | None = None
    by_operator: bool = False
    """Whether a profile, rule or default chose the vectors, and not the request."""

    def unsteered(self, error: SteersmanError) -> Decision:
        """Returns the decision to serve without what could not be had."""
        fallback = Fallback(error.code, error.message)
        return replace(self, plan=None, applied=(), scope=None, scale=1.0, fallback=fallback)

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
        if self.intent is not None:
            field["intent"] = {"label": self.intent.label, "score": round(self.intent.score, 4)}
        if self.flags:
            field["flags"] = {flag.flag: flag.variant for flag in self.flags}
        if self.switched_off:
            field["switched_off"] = list(self.switched_off)
        if self.scale != 1.0:
            field["backed_off"] = self.scale
        if self.fallback is not None:
            field["fallback"] = {"code": self.fallback.code, "message": self.fallback.message}
        return field

    def headers(self) -> dict[str, str]:
        """Returns the response headers, values in ASCII."""
        applied = ", ".join(f"{v.name}@{v.version}={v.alpha:.10g}" for v in self.applied)
        headers = {
            "x-steering-applied": applied or "none",
            "x-steering-reason": self.reason,
            "x-steering-revision": str(self.revision),
        }
        if self.fallback is not None:
            headers["x-steering-fallback"] = self.fallback.code
        return headers
