"""What admission knows of a request: the caller, and what the body says that matters here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..flags.context import FlagContext
from ..intent.contract import Intent
from ..tenants.tenant import LOCAL, UNRESTRICTED, Tenant
from .request import SteeringRequest

MAX_METADATA = 64
MAX_TEXT = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends the request, as its key says; never as a header says."""

    name: str
    tenant: Tenant
    key_id: str | None = None
    """None without a key, and for a key given with --api-key."""
    unrestricted: bool = False
    """Whether its requests may name their own steering, whatever the flags say."""


LOCAL_CALLER = Caller(LOCAL, UNRESTRICTED, unrestricted=True)
"""Whoever calls a server that asks nobody for keys, or has a key from --api-key."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One request, as far as the decision depends on it."""

    caller: Caller
    steering: SteeringRequest | bool | None
    """The `steering` field: parsed; False for no steering; None when it is absent."""
    profile: str | None = None
    """Named by the model field, `BASE:profile`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    """The request's `user`: who is put into a bucket of a rollout, instead of the tenant."""
    intent: Intent | None = None
    """None: nobody looked."""

    def flag_context(self) -> FlagContext:
        """Returns whom and what flags are evaluated for."""
        return FlagContext(
            tenant=self.caller.name,
            targeting_key=self.user or self.caller.name,
            attributes={"labels": dict(self.caller.tenant.labels), "profile": self.profile},
        )


def texts_of(value: object) -> dict[str, str]:
    """Returns the entries of a request's `metadata` whose values are text; total."""
    if not isinstance(value, dict):
        return {}
    entries = list(value.items())[:MAX_METADATA]
    return {k: v for k, v in entries if isinstance(v, str) and len(v) <= MAX_TEXT}


def user_of(payload: Mapping[str, object]) -> str | None:
    """Returns the end user that a request names, in OpenAI's or Anthropic's way."""
    metadata = payload.get("metadata")
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    for value in (payload.get("safety_identifier"), payload.get("user"), user_id):
        if isinstance(value, str) and 0 < len(value) <= MAX_TEXT:
            return value
    return None
