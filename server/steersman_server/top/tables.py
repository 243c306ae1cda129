"""The tables of tenants and vectors; columns that do not fit are left out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..cli.output import printable
from .figures import UNKNOWN, alpha, count, rate, share
from .frame import Frame, Share, Tenant, Vector
from .header import BAD, WORRY, meter, verdict
from .view import Sort, View, sorted_tenants, sorted_vectors

HEAD = "black on cyan"
ORDERED = "bold black on green"
WIDE = 110
"""From here on there is room for bars."""
MIN_ROWS_TO_TELL = 3
"""With fewer, a line that counts what is left out would cost too much."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    width: int
    drop_below: int = 0
    """It is there on screens at least this wide."""
    sort: Sort | None = None
    left: bool = False


def _table(columns: Sequence[Column], sort: Sort | None = None) -> Table:
    table = Table(
        box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style=HEAD,
        show_edge=False,
    )  # fmt: skip
    for i, column in enumerate(columns):
        marked = column.sort is not None and column.sort is sort
        table.add_column(
            Text(column.title + ("*" if marked else ""), ORDERED if marked else ""),
            width=column.width if i else None,
            ratio=None if i else 1,
            justify="left" if column.left else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _fill(table: Table, rows: Sequence[Sequence[RenderableType]], room: int, empty: str) -> Table:
    """Adds rows; those left out are counted in the last line."""
    if not rows and room > 0:
        table.add_row(Text(empty, "dim"))
    cut = len(rows) > room and room >= MIN_ROWS_TO_TELL
    for row in rows[: room - 1 if cut else room]:
        table.add_row(*row)
    if cut:
        table.add_row(Text(f"+ {len(rows) - room + 1} more", "dim"))
    return table


def _kept(columns: Sequence[Column], width: int) -> list[int]:
    return [i for i, column in enumerate(columns) if width >= column.drop_below]


TENANTS = (
    Column("TENANT", 0, left=True),
    Column("REQ/s", 7, sort=Sort.REQUESTS),
    Column("STEERED", 8, 30, sort=Sort.STEERED),
    Column("", 12, WIDE, left=True),
    Column("UNSTEERED BECAUSE", 20, 76, left=True),
    Column("REF/s", 6, 50, sort=Sort.REFUSED),
    Column("DEGEN", 6, 36, sort=Sort.DEGENERATE),
    Column("SAMPLED", 8, 100),
    Column("DOSE", 5, 60),
)


def tenant_table(tenants: Sequence[Tenant], view: View, width: int, room: int) -> Table:
    """Returns the tenants in the view's order, in so many rows."""
    kept = _kept(TENANTS, width)
    columns = [TENANTS[i] for i in kept]
    if width >= WIDE:
        columns = [
            Column(c.title, 34, left=True) if c.title.startswith("UNST") else c for c in columns
        ]
    rows = []
    for tenant in sorted_tenants(tuple(tenants), view.sort):
        idle = "" if tenant.requests else "dim"
        row: list[RenderableType] = [
            Text(printable(tenant.name), idle or "bold"),
            Text(rate(tenant.requests_per_s), idle),
            Text(share(tenant.steered), idle),
            meter(tenant.steered, 10) if tenant.requests else Text(""),
            Text(_reasons(tenant.unsteered), idle),
            Text(rate(tenant.refused_per_s), WORRY if tenant.refused_per_s else idle),
            verdict(tenant.degenerate),
            Text(count(tenant.sampled), idle),
            _dose(tenant.scale),
        ]
        rows.append([row[i] for i in kept])
    nobody = "no requests yet" if view.tenant is None else f"{view.tenant}: none yet"
    return _fill(_table(columns, view.sort), rows, room, printable(nobody))


VECTORS = (
    Column("VECTOR", 0, left=True),
    Column("VERSIONS", 10, 60, left=True),
    Column("APPLIED/s", 9),
    Column("", 22, WIDE, left=True),
    Column("~MEAN α", 8, 36),
    Column("~P90 α", 8, 50),
    Column("DEGEN", 6, 44, sort=Sort.DEGENERATE),
    Column("SAMPLED", 8, 70),
)


def vector_table(frame: Frame, view: View, width: int, room: int) -> Table:
    """Returns the vectors in the view's order, in so many rows."""
    kept = _kept(VECTORS, width)
    rows = []
    most = max((v.applied for v in frame.vectors), default=0.0)
    for vector in sorted_vectors(frame.vectors, view.sort):
        row = _vector_row(vector, most)
        rows.append([row[i] for i in kept])
    return _fill(
        _table([VECTORS[i] for i in kept], view.sort), rows, room, "no vector was applied yet"
    )


def _vector_row(vector: Vector, most: float) -> list[RenderableType]:
    idle = "" if vector.applied else "dim"
    return [
        Text(printable(vector.name), idle or "bold"),
        Text(printable(",".join(f"@{v}" for v in vector.versions)) or UNKNOWN, idle),
        Text(rate(vector.applied_per_s), idle),
        meter(vector.applied / most, 20, "cyan") if vector.applied else Text(""),
        Text(alpha(vector.alpha_mean), idle),
        Text(alpha(vector.alpha_p90), idle),
        verdict(vector.degenerate),
        Text(count(vector.sampled), idle),
    ]


def _reasons(unsteered: Sequence[Share]) -> str:
    return printable(", ".join(f"{s.name} {share(s.share)}" for s in unsteered)) or UNKNOWN


def _dose(scale: float | None) -> Text:
    if scale is None:
        return Text(UNKNOWN, "dim")
    if scale == 1.0:
        return Text("full", "dim")
    return Text("OFF", BAD) if scale == 0.0 else Text(f"x{scale:.2g}", WORRY)
