"""Flags as operators look at them: all there are, and why a tenant has its variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..configuration import Configuration
from ..flags.builtin import vector_flag
from ..flags.context import FlagContext
from ..flags.definition import VECTOR_PREFIX, FlagRecord
from ..tenants.tenant import LOCAL
from .flags import find_flag
from .policies import limits_of


def explain_flag(
    configuration: Configuration, key: str, tenant: str = LOCAL, user: str | None = None, *,
    profile: str | None = None, labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Returns the variant that requests of a tenant, and one of its users, get, and why, as JSON.

    labels: beside those that the tenant has, to try what others would do. Raises
    `MissingError(not_found)`.
    """
    find_flag(configuration, key)
    asked = {**limits_of(configuration, tenant).labels, **(labels or {})}
    context = FlagContext(tenant, user or tenant, {"labels": dict(asked), "profile": profile})
    result = configuration.flags.evaluate(key, context)
    return {
        "flag": key,
        "tenant": tenant,
        "user": user,
        "variant": result.variant,
        "value": result.value,
        "reason": result.reason,
        "steps": [asdict(step) for step in configuration.flags.explain(key, context)],
    }


def all_flags(configuration: Configuration, snapshot: RegistrySnapshot) -> dict[str, FlagRecord]:
    """Returns every flag by key: the built-in ones, one per registered vector, operators' own."""
    records = configuration.flags.records
    for _, name in snapshot.versions:
        key = VECTOR_PREFIX + name
        records.setdefault(key, FlagRecord(definition=vector_flag(name)))
    return dict(sorted(records.items()))
