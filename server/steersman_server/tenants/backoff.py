"""Automatic back-off: when a tenant wants it, and what is in force of it."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class BackoffPolicy(BaseModel):
    """When the tenant's alphas are scaled down by themselves, and how far."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_degenerate_rate: float = Field(gt=0.0, lt=1.0)
    """Of the judged steered answers within the window; above it the tenant is backed off."""
    window_s: float = Field(default=600.0, ge=10.0, le=86_400.0)
    min_answers: int = Field(default=20, ge=5, le=100_000)
    """Fewer judged answers in the window prove nothing."""
    factor: float = Field(default=0.5, gt=0.0, lt=1.0)
    """What one step multiplies the scale of all alphas by."""
    floor: float = Field(default=0.25, gt=0.0, le=1.0)
    """A scale below this is off."""
    cooldown_s: float = Field(default=300.0, ge=0.0, le=86_400.0)
    """At least so long between two steps."""


class BackedOff(BaseModel):
    """What the registry keeps under `backoff/<tenant>` while a tenant is backed off; never 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scale: float = Field(ge=0.0, lt=1.0)
    """What every alpha of the tenant is multiplied by; 0: its requests run unsteered."""
    since: AwareDatetime
    answers: int = Field(ge=1)
    """Judged steered answers that it was decided on, of which `degenerate` were so."""
    degenerate: int = Field(ge=0)
    window_s: float
    """Within which those were."""
    max_degenerate_rate: float
    """The limit at that time."""
