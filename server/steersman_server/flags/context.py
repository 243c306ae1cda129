"""What a flag is evaluated for: one request of one tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from openfeature.evaluation_context import EvaluationContext
from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class FlagContext:
    """A tenant, who is put into a bucket, and what targeting may ask about."""

    tenant: str
    targeting_key: str
    """Who is bucketed: the request's `user` if it has one, else the tenant."""
    attributes: Mapping[str, JsonValue] = field(default_factory=dict)
    """`labels`, `profile`. The tenant is added, and cannot be shadowed."""

    def for_flagd(self) -> EvaluationContext:
        """Returns the same in OpenFeature's terms."""
        # mypy: OpenFeature's attributes have no null; flagd evaluates it as absent.
        attributes = {**self.attributes, "tenant": self.tenant}
        return EvaluationContext(self.targeting_key, attributes)  # type: ignore[arg-type]
