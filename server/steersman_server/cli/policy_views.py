"""What `steersman policies` and `profiles` show to people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from ..policies.policy import Policy, When
from ..policies.profile import Profile
from .output import printable
from .tenant_views import grid, plain_table, steering


def policies_table(policies: Mapping[str, Policy]) -> Table:
    """Returns who has rules, a tenant a line."""
    table = plain_table("tenant", "rules")
    for tenant, policy in policies.items():
        table.add_row(tenant, ", ".join(rule.name for rule in policy.rules) or "none")
    return table


def rules_table(policy: Policy) -> Table:
    """Returns the rules in their order: the first that holds decides."""
    table = plain_table("", "rule", "when", "steer")
    for k, rule in enumerate(policy.rules, start=1):
        steer: Any = rule.steer if isinstance(rule.steer, bool) else rule.steer.model_dump()
        table.add_row(str(k), rule.name, printable(condition(rule.when)), steering(steer))
    return table


def profiles_table(profiles: Mapping[str, Profile]) -> Table:
    """Returns the profiles, one a line."""
    table = plain_table("profile", "steer", "tenants", "what it is for")
    for name, profile in profiles.items():
        table.add_row(
            name,
            steering(profile.steer.model_dump(mode="json")),
            ", ".join(profile.tenants),
            printable(profile.description) or "-",
        )
    return table


def profile_facts(name: str, profile: Profile) -> Table:
    """Returns one profile, a field a line."""
    return grid(
        [
            ("profile", name),
            ("for", profile.description or "-"),
            ("tenants", ", ".join(profile.tenants)),
            ("steer", steering(profile.steer.model_dump(mode="json"))),
        ]
    )


def condition(when: When) -> str:
    """Returns a condition in words: `intent billing or account from 0.6, flag tone warm`."""
    parts = []
    if when.intent is not None:
        score = "" if when.min_score is None else f" from {when.min_score:g}"
        parts.append(f"intent {' or '.join(when.intent)}{score}")
    if when.profile is not None:
        parts.append(f"profile {' or '.join(when.profile)}")
    parts += [f"{key}={' or '.join(values)}" for key, values in when.metadata.items()]
    parts += [f"flag {key} is {' or '.join(values)}" for key, values in when.flag.items()]
    return ", ".join(parts) or "always"
