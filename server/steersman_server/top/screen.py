"""A frame as a terminal shows it, in whatever room there is. Pure."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..cli.output import printable
from .frame import Frame
from .header import BAD, header
from .parts import part_grid, parts_of
from .tables import tenant_table, vector_table
from .view import View


def screen(frame: Frame, view: View, width: int, height: int | None = None) -> RenderableType:
    """Returns the whole screen; height: None shows every row, else exactly so many lines."""
    lines: list[RenderableType] = list(header(frame, view, width))
    tenants = [t for t in frame.tenants if view.tenant in (None, t.name)]
    parts = parts_of(frame)
    longest = max(len(rows) for _, rows in parts)
    wanted = [max(n, 1) for n in (len(tenants), len(frame.vectors), longest)]
    draw: list[Callable[[int], Table]] = [
        lambda room: tenant_table(tenants, view, width, room),
        lambda room: vector_table(frame, view, width, room),
        lambda room: part_grid(parts, width, room),
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
