"""The page as a strict reader sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from steersman_vectors.report.contents import Contents
from steersman_vectors.report.page import page

SVG = "{http://www.w3.org/2000/svg}"
Element = ElementTree.Element


def read(contents: Contents) -> Element:
    """Returns the page's tree; a page that is no well-formed XML raises."""
    data = page(contents).decode()
    doctype, _, rest = data.partition("\n")
    assert doctype == "<!doctype html>"
    return ElementTree.fromstring(rest)


def text(element: Element) -> str:
    """Returns all text in an element, as it was given."""
    return "".join(element.itertext())


def sections(tree: Element) -> dict[str, Element]:
    """Returns the sections by title."""
    return {text(each[0]): each for each in tree.iter("section")}


def plots(element: Element) -> Iterator[Element]:
    """Yields the pictures."""
    return element.iter(f"{SVG}svg")


def of_class(element: Element, cls: str) -> list[Element]:
    """Returns what has all of these classes, in order."""
    wanted = set(cls.split())
    return [each for each in element.iter() if wanted <= set(each.get("class", "").split())]


def table(element: Element) -> list[list[str]]:
    """Returns the first table's cells, the head first."""
    found = next(element.iter("table"))
    return [[text(cell) for cell in row] for row in found.iter("tr")]


def number(shown: str) -> float:
    """Returns the number that is shown; a share from its percent."""
    match = re.search(r"[−+]?[\d.,]+(e[−+]\d+)?", shown)
    assert match is not None, shown
    value = float(match[0].replace("−", "-").replace(",", ""))
    return value / 100 if "%" in shown else value
