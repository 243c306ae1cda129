"""Pieces that sections are built of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..markup import Attribute, Markup, el, join

Cell = str | tuple[str, dict[str, Attribute]]
"""A cell's content; with attributes where it has some."""


def prose(sentence: str) -> Markup:
    """Returns the sentence with what stands between backticks as code."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a backtick without its second: it is data, and stays
        return join(sentence)
    return join(*(el("code", part) if i % 2 else part for i, part in enumerate(parts)))


def section(title: str, *parts: str | None) -> Markup:
    """Returns a section with its heading."""
    return el("section", el("h2", title), *parts)


def table(
    head: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str | None = None
) -> Markup:
    """Returns a table whose first column names its rows; it scrolls where the page is narrow."""
    body = [
        el("tr", el("th", _content(row[0]), scope="row"), *(_cell(cell) for cell in row[1:]))
        for row in rows
    ]
    titles = el("thead", el("tr", *(el("th", name, scope="col") for name in head)))
    said = None if caption is None else el("caption", caption, cls="note")
    return el("div", el("table", said, titles, el("tbody", *body)), cls="scroll", tabindex=0)


def _content(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _cell(cell: Cell) -> Markup:
    return el("td", cell) if isinstance(cell, str) else el("td", cell[0], **cell[1])
