"""Tenants, keys, flags, policies and profiles as JSON: the same by command as by HTTP. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..configuration import Configuration
from ..flags.builtin import is_gate
from ..flags.definition import FlagRecord
from ..policies.policy import Policy
from ..policies.profile import Profile
from ..tenants.keys import ApiKey, NewKey, prefix_of
from ..tenants.tenant import Tenant
from .documents import Done


def done_json(done: Done) -> dict[str, Any]:
    """Returns what an operation did."""
    return {
        "changed": done.revision is not None,
        "revision": done.revision,
        "warnings": list(done.warnings),
    }


def tenant_json(name: str, tenant: Tenant, configuration: Configuration) -> dict[str, Any]:
    """Returns a tenant with what belongs to it."""
    keys = [key_id for key_id, key in configuration.keys.values() if key.tenant == name]
    backed_off = configuration.backoffs.get(name)
    return {
        "name": name,
        **tenant.model_dump(mode="json"),
        "keys": sorted(keys),
        "rules": [rule.name for rule in configuration.policy_of(name).rules],
        "flags": {
            flag: record.overrides[name]
            for flag, record in configuration.flags.records.items()
            if name in record.overrides
        },
        "backed_off": None if backed_off is None else backed_off.model_dump(mode="json"),
    }


def key_json(key_id: str, key: ApiKey, now: datetime) -> dict[str, Any]:
    """Returns what may be known of a key: neither the key nor its hash."""
    return {
        "id": key_id,
        "prefix": prefix_of(key_id, key),
        "state": key.state(now),
        **key.model_dump(mode="json", exclude={"sha256"}),
    }


def new_key_json(made: NewKey, now: datetime) -> dict[str, Any]:
    """Returns a key that was just made, once."""
    return {"key": made.secret, **key_json(made.id, made.record, now)}


def flag_json(key: str, record: FlagRecord) -> dict[str, Any]:
    """Returns a flag: its definition as flagd writes it, and its overrides."""
    return {
        "key": key,
        "built_in": is_gate(key),
        **record.definition.model_dump(mode="json", by_alias=True),
        "overrides": dict(sorted(record.overrides.items())),
    }


def policy_json(tenant: str, policy: Policy) -> dict[str, Any]:
    """Returns a tenant's rules in their order."""
    return {"tenant": tenant, **policy.model_dump(mode="json")}


def profile_json(name: str, profile: Profile) -> dict[str, Any]:
    """Returns a profile."""
    return {"name": name, **profile.model_dump(mode="json")}
