"""What `steersman tenants backoff` shows to people. Pure: from the JSON that programs get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from .tenant_views import backoff_policy, grid, plain_table

Shown = Mapping[str, Any]


def list_table(found: Sequence[Shown]) -> Table:
    """Returns where tenants stand, one a line."""
    table = plain_table("tenant", "now", "since (UTC)", "because", "backs off")
    for each in found:
        evidence = each["evidence"]
        table.add_row(
            each["tenant"],
            _now(each["scale"]),
            "-" if evidence is None else evidence["since"][:19].replace("T", " "),
            "-" if evidence is None else _because(evidence),
            backoff_policy(each["policy"]),
        )
    return table


def facts(found: Shown) -> Table:
    """Returns where one tenant stands, a fact a line."""
    rows = [("tenant", found["tenant"]), ("now", _now(found["scale"]))]
    if (evidence := found["evidence"]) is not None:
        rows += [
            ("since (UTC)", evidence["since"][:19].replace("T", " ")),
            ("because", _because(evidence)),
            ("back again", f"`steersman tenants backoff clear {found['tenant']}`"),
        ]
    return grid([*rows, ("backs off", backoff_policy(found["policy"]))])


def _now(scale: float) -> str:
    if scale == 1.0:
        return "not backed off"
    return "off: unsteered" if scale == 0.0 else f"every alpha times {scale:g}"


def _because(evidence: Shown) -> str:
    return (
        f"{evidence['degenerate']} of {evidence['answers']} answers in {evidence['window_s']:g} s "
        f"were degenerate, limit {evidence['max_degenerate_rate']:.4g}"
    )
