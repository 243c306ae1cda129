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


def flag_steps(
    configuration: Configuration, key: str, *, tenant: str = LOCAL, user: str | None = None,
    profile: str | None = None, labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Returns the steps; the last one's outcome is the variant, its value and the reason.

    labels: instead of those that the tenant has, to try what others would do. Raises
    `MissingError(not_found)`.
    """
    find_flag(configuration, key)
    asked = {**limits_of(configuration, tenant).labels, **(labels or {})}
    context = FlagContext(
        tenant=tenant,
        targeting_key=user or tenant,
        attributes={"labels": dict(asked), "profile": profile},
    )
    steps = configuration.flags.explain(key, context)
    return {
        "flag": key,
        "tenant": tenant,
        "targeting_key": context.targeting_key,
        "steps": [asdict(step) for step in steps],
        "result": steps[-1].outcome,
    }


def all_flags(configuration: Configuration, snapshot: RegistrySnapshot) -> dict[str, FlagRecord]:
    """Returns every flag by key: the built-in ones, one per registered vector, operators' own."""
    records = configuration.flags.records
    for _, name in snapshot.versions:
        key = VECTOR_PREFIX + name
        records.setdefault(key, FlagRecord(definition=vector_flag(name)))
    return dict(sorted(records.items()))
