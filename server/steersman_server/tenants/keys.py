"""API keys: made once, shown once, stored as a hash.

A key is `<prefix>_<id>_<secret>`, such as `sk-steer_3f9ac210_...`: the prefix tells what it is to
people and to scanners of leaked secrets, the id names it in lists and logs. The secret has 256
random bits, so a fast hash keeps it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from steersman_vectors.card import Name

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Ascending: each may do what those before it may."""
ID_CHARACTERS = 8
MAX_LABEL = 200
TENANT_PREFIX = "sk-steer"
ADMIN_PREFIX = "sk-steer-admin"


class ApiKey(BaseModel):
    """What the registry keeps under `key/<id>`: never the key itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    tenant: Name | None = None
    role: Role | None = None
    """Of an admin key; it has no tenant."""
    label: str = Field(default="", max_length=MAX_LABEL)
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ApiKey:
        if (self.tenant is None) == (self.role is None):
            raise ValueError("a key is a tenant's or has a role, one of both")
        return self

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Returns whether it opens anything at that time."""
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= now
        return "expired" if expired else "active"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only moment at which it can be shown."""

    id: str
    secret: str
    """The whole key, as clients send it."""
    record: ApiKey


def make_key(
    *, now: datetime, tenant: str | None = None, role: Role | None = None, label: str = "",
    expires_at: datetime | None = None,
) -> NewKey:  # fmt: skip
    """Returns a new key of a tenant, or of an operator with this role."""
    key_id = secrets.token_hex(ID_CHARACTERS // 2)
    prefix = TENANT_PREFIX if role is None else ADMIN_PREFIX
    secret = f"{prefix}_{key_id}_{secrets.token_urlsafe(32)}"
    record = ApiKey(
        sha256=hash_key(secret), tenant=tenant, role=role, label=label, created_at=now,
        expires_at=expires_at,
    )  # fmt: skip
    return NewKey(key_id, secret, record)


def hash_key(secret: str) -> str:
    """Returns the hex sha256 under which a key is stored and found."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_ours(secret: str) -> bool:
    """Returns whether the text has the form of a key that was made here, whatever became of it."""
    return secret.startswith((f"{TENANT_PREFIX}_", f"{ADMIN_PREFIX}_"))


def prefix_of(key_id: str, record: ApiKey) -> str:
    """Returns the start of the key, by which people recognise it."""
    return f"{TENANT_PREFIX if record.role is None else ADMIN_PREFIX}_{key_id}_"


def includes(role: Role, needed: Role) -> bool:
    """Returns whether `role` may do what `needed` may."""
    return ROLES.index(role) >= ROLES.index(needed)
