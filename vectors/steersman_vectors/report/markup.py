"""Elements of HTML and SVG as text. Whatever is no `Markup` is escaped: data stays data.

What comes out is well-formed XML too, so that tests can read it with a strict parser.
"""

from __future__ import annotations

import re
from html import escape

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_VOID = frozenset({"br", "circle", "line", "meta", "path", "polygon", "polyline", "rect"})
Attribute = str | float | int | None


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def el(tag: str, *children: str | None, **attributes: Attribute) -> Markup:
    """Returns an element; `cls` stands for class, `_` in other names for `-`, None is left out."""
    said = "".join(
        f' {_attribute(name)}="{text(_value(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inside = join(*children)
    if tag in _VOID and not inside:
        return Markup(f"<{tag}{said}/>")
    return Markup(f"<{tag}{said}>{inside}</{tag}>")


def join(*parts: str | None, between: str = "") -> Markup:
    """Returns the parts one after another; None is left out."""
    return Markup(between.join(text(part) for part in parts if part is not None))


def text(value: str) -> Markup:
    """Returns it as markup: escaped, unless it is markup; what XML cannot hold is marked."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(_NOT_IN_XML.sub("\ufffd", value), quote=True))


def _attribute(name: str) -> str:
    return "class" if name == "cls" else name.rstrip("_").replace("_", "-")


def _value(value: str | float | int) -> str:
    """Returns it as text; coordinates to a tenth of a pixel, which noise does not reach."""
    if not isinstance(value, float):
        return str(value)
    shown = f"{value:.1f}".removesuffix(".0")
    return "0" if shown == "-0" else shown
