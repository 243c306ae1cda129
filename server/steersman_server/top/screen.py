"""A frame as a terminal shows it, in whatever room there is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..cli.output import printable
from .figures import UNKNOWN, alpha, count, rate, share
from .frame import Frame, Share, Tenant, Variant, Vector
from .header import BAD, WORRY, header, meter, verdict
from .view import Sort, View, sorted_tenants, sorted_vectors

HEAD = "black on cyan"
ORDERED = "bold black on green"
WIDE = 110
"""From here on there is room for bars."""
PART_WIDTH = 25
"""Of intents, variants and refusals beside each other, at the least."""
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


def screen(frame: Frame, view: View, width: int, height: int | None = None) -> RenderableType:
    """Returns the whole screen; height: None shows every row, else exactly so many lines."""
    lines: list[RenderableType] = list(header(frame, view, width))
    tenants = [t for t in frame.tenants if view.tenant in (None, t.name)]
    parts = _parts(frame)
    longest = max(len(rows) for _, rows in parts)
    wanted = [max(n, 1) for n in (len(tenants), len(frame.vectors), longest)]
    draw: list[Callable[[int], Table]] = [
        lambda room: _tenant_table(tenants, view, width, room),
        lambda room: _vector_table(frame, view, width, room),
        lambda room: _part_grid(parts, width, room),
    ]
    below = None if height is None else height - len(lines) - 1  # the line of keys
    for rows, table in zip(_rooms(wanted, below), draw, strict=False):
        drawn = table(rows)
        lines += [drawn, *(Text("") for _ in range(rows - drawn.row_count))]
    lines.append(_footer(frame, view, width))
    return Group(*(lines if below is None or below >= 0 else lines[:height]))


def waiting(view: View, width: int) -> RenderableType:
    """Returns what is shown before there are two samples."""
    said = view.outage or f"looking at {view.url} for {view.interval_s:g} s"
    line = Text(f"steersman top  {printable(said)}", BAD if view.outage else "", no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


def _rooms(wanted: list[int], lines: int | None) -> list[int]:
    """Returns how many rows each table gets: what it wants, else a fair part of what there is.

    Tables take a line for their title, too; those for which not even one row is left are not
    there, the last first. Room that is left over goes to the last, so that the line of keys is at
    the bottom.
    """
    if lines is None:
        return wanted
    wanted = wanted[: max(lines, 0) // 2]
    found, left = [], lines - len(wanted)
    for i, rows in enumerate(wanted):
        fair = max(left // (len(wanted) - i), left - sum(wanted[i + 1 :]))
        found.append(min(rows, fair))
        left -= found[-1]
    if found:
        found[-1] += left
    return found


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


def _tenant_table(tenants: Sequence[Tenant], view: View, width: int, room: int) -> Table:
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


def _vector_table(frame: Frame, view: View, width: int, room: int) -> Table:
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


Rows = list[tuple[Text, str]]


def _parts(frame: Frame) -> list[tuple[str, Rows]]:
    """Returns the three short lists: title, and each row's name and share or count."""
    intents = [_named(each) for each in frame.intents]
    if frame.safety:
        intents.insert(0, (Text("safety overrides", WORRY), count(frame.safety)))
    return [
        ("INTENTS", intents),
        ("FLAG VARIANTS", [_variant(each) for each in frame.variants if each.count]),
        ("REFUSALS", [(Text(printable(r.name), WORRY), count(r.count)) for r in frame.refusals]),
    ]


def _named(each: Share) -> tuple[Text, str]:
    return Text(printable(each.name)), f"{share(each.share):>4}"


def _variant(each: Variant) -> tuple[Text, str]:
    name = Text(printable(f"{each.flag}={each.variant}"))
    said = f"deg {verdict(each.degenerate).plain} " if each.degenerate else ""
    return name, f"{said}{share(each.share):>4}"


def _part_grid(parts: Sequence[tuple[str, Rows]], width: int, room: int) -> Table:
    """Returns the lists beside each other; where they do not fit, those with something in them."""
    fitting = max(min(width // PART_WIDTH, len(parts)), 1)
    first = sorted(range(len(parts)), key=lambda i: (not parts[i][1], i))[:fitting]
    chosen = [parts[i] for i in sorted(first)]
    table = Table(
        box=None, expand=True, padding=0, pad_edge=False, header_style=HEAD, show_edge=False
    )
    # The widths are fixed here, as a title's colour has to reach to its column's end.
    for i, (title, _) in enumerate(chosen):
        table.add_column(title, width=_even(width, fitting, i), no_wrap=True, overflow="ellipsis")
    for row in range(room):
        cells = [
            _part_line(rows, row, room, _even(width, fitting, i) - (2 if i < fitting - 1 else 0))
            for i, (_, rows) in enumerate(chosen)
        ]
        if any(cell.plain for cell in cells) or row == 0:
            table.add_row(*cells)
    return table


def _even(width: int, columns: int, i: int) -> int:
    return width // columns + (1 if i < width % columns else 0)


def _part_line(rows: Rows, row: int, room: int, width: int) -> Text:
    """Returns one row: the name, cut if it must be, and the figure at the column's end."""
    if not rows:
        return Text("none" if row == 0 else "", "dim")
    if row >= len(rows):
        return Text("")
    if row == room - 1 and len(rows) > room >= MIN_ROWS_TO_TELL:
        return Text(f"+ {len(rows) - room + 1} more", "dim")
    name, figure = rows[row][0].copy(), rows[row][1]
    name.truncate(max(width - len(figure) - 1, 1), overflow="ellipsis", pad=True)
    return Text.assemble(name, " ", figure)


def _reasons(unsteered: Sequence[Share]) -> str:
    return printable(", ".join(f"{s.name} {share(s.share)}" for s in unsteered)) or UNKNOWN


def _dose(scale: float | None) -> Text:
    if scale is None:
        return Text(UNKNOWN, "dim")
    if scale == 1.0:
        return Text("full", "dim")
    return Text("OFF", BAD) if scale == 0.0 else Text(f"x{scale:.2g}", WORRY)


def _footer(frame: Frame, view: View, width: int) -> Text:
    line = Text(no_wrap=True)
    if view.paused:
        line.append(" PAUSED ", "bold black on yellow")
        line.append(" ")
    if view.keys:
        for key, what in (("q", "quit"), ("s", f"sort: {view.sort.value}"), ("p", "pause")):
            line.append(key, "bold")
            line.append(f" {what}  ")
    said = f"rates of {frame.seconds:.1f} s, all else of {frame.window_s:.0f} s"
    line.append(said, "dim")
    line.truncate(width, overflow="ellipsis")
    return line
