"""What `steersman flags` shows to people. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from ..flags.definition import FlagRecord
from .output import printable
from .tenant_views import grid, pairs_text, plain_table

MAX_CELL = 100


def list_table(records: Mapping[str, FlagRecord]) -> Table:
    """Returns the flags, one a line."""
    table = plain_table("flag", "everybody", "overrides", "what it is for")
    for key, record in records.items():
        table.add_row(
            key,
            printable(everybody(record)),
            pairs_text(dict(sorted(record.overrides.items()))) or "-",
            printable(record.definition.description),
        )
    return table


def show_parts(key: str, record: FlagRecord) -> list[Any]:
    """Returns one flag: what everybody has, its variants, overrides, targeting."""
    definition = record.definition
    variants = plain_table("variant", "value", "")
    for name, value in definition.variants.items():
        note = "default" if name == definition.default_variant else ""
        variants.add_row(name, _json(value), note)
    facts = [
        ("flag", key),
        ("for", definition.description or "-"),
        ("state", definition.state),
        ("everybody", everybody(record)),
        ("overrides", pairs_text(dict(sorted(record.overrides.items()))) or "none"),
    ]
    if definition.targeting is not None:
        facts.append(("targeting", json.dumps(definition.targeting)))
    return [grid(facts), "", variants]


def explain_parts(found: Mapping[str, Any]) -> list[Any]:
    """Returns the steps to a variant."""
    table = plain_table("step", "looked at", "outcome")
    for step in found["steps"][:-1]:
        table.add_row(step["what"], _json(step["given"]), _outcome(step["outcome"]))
    verdict = f"{found['flag']} is {found['variant']} for tenant {found['tenant']}"
    return [table, "", f"{printable(verdict)}: {_json(found['value'])} ({found['reason']})"]


def everybody(record: FlagRecord) -> str:
    """Returns what those without an override have: `on`, `on 10, off 90`, ..."""
    definition = record.definition
    if definition.state == "DISABLED":
        return "DISABLED"
    if definition.targeting is None:
        return definition.default_variant
    shares = _shares(definition.targeting)
    return shares or f"by targeting, else {definition.default_variant}"


def _shares(targeting: Any) -> str | None:
    """Returns a plain rollout in words; None for targeting of another kind."""
    match targeting:
        case {"fractional": [*shares]} if all(_is_share(share) for share in shares):
            return ", ".join(f"{variant} {weight}" for variant, weight in shares)
        case {"if": [{"in": [{"var": "tenant"}, [*tenants]]}, rollout]}:
            among = _shares(rollout)
            return None if among is None else f"{among} of {', '.join(map(str, tenants))}"
        case _:
            return None


def _is_share(share: Any) -> bool:
    return isinstance(share, list) and len(share) == 2 and all(
        isinstance(part, str | int) for part in share
    )  # fmt: skip


def _outcome(value: Any) -> str:
    match value:
        case {"bucket": bucket, "of": total, "ranges": [*ranges]}:
            where = ", ".join(f"{r['variant']} {r['from']}-{r['to']}" for r in ranges)
            return f"{bucket} of {total}; {where}"
        case str():
            return printable(value)
        case _:
            return _json(value)


def _json(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return printable(text if len(text) <= MAX_CELL else text[:MAX_CELL] + "...")
