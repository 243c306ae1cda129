"""A tenant: what its requests may be steered by, and what happens when they say nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from steersman_vectors.card import Name

from ..policies.steering import Steering
from .backoff import BackoffPolicy

ALL = "*"
LOCAL = "local"
"""The tenant of requests that need no key, and of those with a key from --api-key."""
OTHER = "other"
"""What metrics call all that is beyond what has a label of its own (`monitor/bounded.py`)."""
Cap = Annotated[float, Field(gt=0.0, le=1e6)]
Label = Annotated[str, StringConstraints(max_length=256)]


class Tenant(BaseModel):
    """What the registry keeps under `tenant/<name>`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    vectors: tuple[Name | Literal["*"], ...] = ()
    """Names of vectors that may be applied, at any version; `*`: all."""
    alpha_caps: dict[Name, Cap] = Field(default_factory=dict)
    """Largest |alpha| per vector, below what the vector's own card allows."""
    dose_cap: Cap | None = None
    """Largest sum of |alpha| over all vectors of one request."""
    default: Steering | None = None
    """What requests get that no rule is about."""
    on_unavailable: Literal["fail", "base"] = "fail"
    """When default or policy cannot be applied: refuse the request, or serve it unsteered."""
    requests_per_minute: int | None = Field(default=None, ge=1, le=10_000_000)
    max_concurrent: int | None = Field(default=None, ge=1, le=1_000_000)
    backoff: BackoffPolicy | None = None
    """Scale steering down by itself when too many answers are degenerate; None: never."""
    labels: dict[Name, Label] = Field(default_factory=dict, max_length=32)

    def allows(self, vector: str) -> bool:
        """Returns whether the vector may be applied to this tenant's requests."""
        return ALL in self.vectors or vector in self.vectors


UNRESTRICTED = Tenant(vectors=(ALL,))
