"""A profile: steering with a name of its own, which clients may choose as a model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from .steering import Steering

EVERYBODY = "*"


class Profile(BaseModel):
    """Selectable as `"model": "BASE:name"`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steer: Steering
    tenants: tuple[str, ...] = Field(default=(EVERYBODY,), min_length=1)
    """Who may choose it; `*`: every tenant. A tenant's own limits hold all the same."""
    description: str = Field(default="", max_length=1000)

    def is_for(self, tenant: str) -> bool:
        """Returns whether the tenant may choose it."""
        return EVERYBODY in self.tenants or tenant in self.tenants
