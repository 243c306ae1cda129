"""Markdown as text. Data is escaped: it cannot become markup, a table's border or a link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MARKS = re.compile(r"([\\`*_\[\]<>|~$&@]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_AT_START = re.compile(r"^(?=[#+=\-])|(?<=^\d)(?=[.)])|(?<=^\d\d)(?=[.)])")
_UNSEEN = re.compile("[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def plain(text: str) -> str:
    """Returns data as one line of text that Markdown shows as it is."""
    return _AT_START.sub(r"\\", _MARKS.sub(r"\\\1", _one_line(text)))


def code(text: str) -> str:
    """Returns data as inline code; also in tables, where a bar would end the cell."""
    line = _one_line(text)
    if "|" in line or not line:
        return f"<code>{_entities(line)}</code>"
    ticks = max((len(run) for run in re.findall("`+", line)), default=0) + 1
    pad = " " if line.startswith("`") or line.endswith("`") or line != line.strip() else ""
    return f"{'`' * ticks}{pad}{line}{pad}{'`' * ticks}"


def block(text: str, language: str = "") -> str:
    """Returns data as a block of code, fenced by more backticks than it holds."""
    shown = "".join(c if c in "\n\t" else _UNSEEN.sub("\ufffd", c) for c in text)
    ticks = "`" * max(3, max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def sentence(text: str) -> str:
    """Returns our own sentence, with data between its backticks as code and the rest escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(code(part) if i % 2 else _prose(part) for i, part in enumerate(parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _prose(text: str) -> str:
    """Returns text that may hold data: what could be markup is escaped, punctuation stays."""
    return re.sub(r"([\\*_\[\]<>|~$&])", r"\\\1", _one_line(text, strip=False))


def _one_line(text: str, *, strip: bool = True) -> str:
    line = _UNSEEN.sub(" ", text)
    return line.strip() if strip else line


def _entities(text: str) -> str:
    return "".join(c if c.isalnum() or c in " .,;=/" else f"&#{ord(c)};" for c in text)
