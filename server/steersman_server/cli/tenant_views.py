"""What `steersman tenants` and `keys` show to people. Pure: from the JSON that programs get."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from .output import printable

Shown = Mapping[str, Any]


def list_table(tenants: Sequence[Shown]) -> Table:
    """Returns the tenants, one a line."""
    table = plain_table("tenant", "vectors", "caps", "default", "unavailable", "rules", "keys")
    for tenant in tenants:
        table.add_row(
            tenant["name"],
            ", ".join(tenant["vectors"]) or "none",
            _caps(tenant) or "-",
            "-" if tenant["default"] is None else steering(tenant["default"]),
            tenant["on_unavailable"],
            str(len(tenant["rules"])),
            str(len(tenant["keys"])),
        )
    return table


def facts(tenant: Shown) -> Table:
    """Returns one tenant, a field a line."""
    limits = [
        f"{tenant[field]} {what}"
        for field, what in (
            ("requests_per_minute", "requests a minute"), ("max_concurrent", "at once"),
        )
        if tenant[field] is not None
    ]  # fmt: skip
    return grid(
        [
            ("tenant", tenant["name"]),
            ("vectors", ", ".join(tenant["vectors"]) or "none"),
            ("caps", _caps(tenant) or "none but the vectors' own"),
            ("default", "-" if tenant["default"] is None else steering(tenant["default"])),
            ("when unavailable", tenant["on_unavailable"]),
            ("limits", ", ".join(limits) or "none"),
            ("back-off", backoff_policy(tenant["backoff"])),
            *([("backed off", _backed_off(tenant["backed_off"]))] if tenant["backed_off"] else []),
            ("labels", pairs_text(tenant["labels"]) or "-"),
            ("keys", ", ".join(tenant["keys"]) or "none"),
            ("rules", ", ".join(tenant["rules"]) or "none"),
            ("flags", pairs_text(tenant["flags"]) or "as for everybody"),
        ]
    )


def belongings(tenant: Shown) -> str:
    """Returns what goes with a tenant that is deleted."""
    keys, rules, flags = (
        f"{len(tenant[what])} {noun}{'' if len(tenant[what]) == 1 else 's'}"
        for what, noun in (("keys", "key"), ("rules", "rule"), ("flags", "override"))
    )
    return f"{keys}, {rules} and {flags} of flags"


def keys_table(keys: Sequence[Shown]) -> Table:
    """Returns keys, one a line: what may be known of them."""
    table = plain_table("id", "begins with", "of", "state", "label", "created (UTC)", "expires")
    for key in keys:
        owner = key["tenant"] if key["role"] is None else f"operator ({key['role']})"
        table.add_row(
            key["id"],
            key["prefix"],
            owner,
            key["state"],
            printable(key["label"]) or "-",
            _minute(key["created_at"]),
            _minute(key["expires_at"]),
        )
    return table


def steering(value: Shown | bool) -> str:
    """Returns steering in a line: `empathy low, concise 0.3; scope all`."""
    if isinstance(value, bool):
        return "unsteered"
    if value.get("flag") is not None:
        return f"as flag {value['flag']} says"
    parts = [", ".join(f"{name} {_dial(dial)}" for name, dial in value["vectors"].items())]
    if value.get("scope") is not None:
        parts.append(f"scope {value['scope']}")
    if value.get("schedule") is not None:
        parts.append(f"schedule {json.dumps(value['schedule'])}")
    return printable("; ".join(parts))


def backoff_policy(policy: Shown | None) -> str:
    """Returns when a tenant is backed off by itself, in a line."""
    if policy is None:
        return "never"
    return (
        f"above {policy['max_degenerate_rate']:.4g} of {policy['min_answers']} answers or more in "
        f"{policy['window_s']:g} s: times {policy['factor']:g}, off below {policy['floor']:g}, "
        f"every {policy['cooldown_s']:g} s at most"
    )


def pairs_text(pairs: Mapping[str, Any]) -> str:
    """Returns `k=v, k=v`."""
    return printable(", ".join(f"{key}={value}" for key, value in pairs.items()))


def grid(rows: Sequence[tuple[str, str]]) -> Table:
    """Returns facts, a label and a value a line."""
    table = Table.grid(padding=(0, 2))
    for label, value in rows:
        table.add_row(label, printable(value))
    return table


def plain_table(*columns: str) -> Table:
    """Returns an empty table in the style of all commands."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _caps(tenant: Shown) -> str:
    caps = [f"{name} {cap:g}" for name, cap in tenant["alpha_caps"].items()]
    if tenant["dose_cap"] is not None:
        caps.append(f"sum {tenant['dose_cap']:g}")
    return ", ".join(caps)


def _backed_off(found: Shown) -> str:
    now = f"every alpha times {found['scale']:g}" if found["scale"] else "off: unsteered"
    return f"{now}, since {found['since'][:19].replace('T', ' ')} UTC"


def _dial(dial: Any) -> str:
    if isinstance(dial, Mapping):
        return f"as flag {dial['flag']} says"
    return f"{dial:g}" if isinstance(dial, int | float) else str(dial)


def _minute(iso: str | None) -> str:
    return "-" if iso is None else iso[:16].replace("T", " ")
