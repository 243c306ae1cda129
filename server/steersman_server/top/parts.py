"""The short lists at the bottom: intents, variants of flags, refusals. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ..cli.output import printable
from .figures import count, share
from .frame import Frame, Share, Variant
from .header import WORRY, verdict
from .tables import HEAD, MIN_ROWS_TO_TELL

PART_WIDTH = 25
"""Of intents, variants and refusals beside each other, at the least."""
Rows = list[tuple[Text, str]]


def parts_of(frame: Frame) -> list[tuple[str, Rows]]:
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


def part_grid(parts: Sequence[tuple[str, Rows]], width: int, room: int) -> Table:
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
