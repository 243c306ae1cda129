"""Decisions as people read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from .output import printable


def decisions_table(lines: Iterable[Mapping[str, Any]]) -> Table:
    """Returns a row for each decision."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("at (UTC)", "tenant", "reason", "applied", "intent", "flags", "request"):
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(*(printable(cell) for cell in _cells(line)))
    return table


def _cells(line: Mapping[str, Any]) -> Iterable[str]:
    refused = line.get("refused")
    intent = line.get("intent") or {}
    flags = line.get("flags") or {}
    yield str(line.get("at", ""))[:19].replace("T", " ")
    yield str(line.get("tenant", ""))
    yield str(line.get("reason", "")) if refused is None else f"refused: {refused}"
    yield ", ".join(_applied(vector) for vector in line.get("applied", ())) or "-"
    yield f"{intent.get('label') or 'none'} {intent.get('score', '')}" if intent else "-"
    yield ", ".join(f"{key}={variant}" for key, variant in flags.items()) or "-"
    yield str(line.get("request_id", ""))


def _applied(vector: Mapping[str, Any]) -> str:
    return f"{vector.get('vector')}@{vector.get('version')}={vector.get('alpha')}"
