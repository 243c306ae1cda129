"""The queries of a dashboard's JSON, with its choices filled in: for tests and for pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EVERY: Mapping[str, str] = {
    "instance": ".*",
    "tenant": ".*",
    "vector": ".*",
    "flag": ".+",
    "window": "30m",
    "__range": "1h",
    "__rate_interval": "1m",
}
"""Choices that leave nothing out."""
_CHOICE = re.compile(r"\$(\w+)")
_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), *(?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query as Prometheus is asked it."""

    board: str
    panel: str
    expr: str
    legend: str

    @property
    def name(self) -> str:
        """Returns what people call it."""
        return f"{self.board} / {self.panel} / {self.legend}"


def filled(expr: str, choices: Mapping[str, str] = EVERY) -> str:
    """Returns an expression with values in place of `$names`.

    Raises:
        KeyError: a name has no value.
    """
    return _CHOICE.sub(lambda name: choices[name[1]], expr)


def panels(board: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the panels that are not headings."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def asked(board: Mapping[str, Any], choices: Mapping[str, str] = EVERY) -> Iterator[Asked]:
    """Yields every query of every panel."""
    for panel in panels(board):
        titles = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]]
        for i, target in enumerate(panel["targets"]):
            legend = titles[i] if panel["type"] == "table" else target["legendFormat"]
            yield Asked(board["uid"], panel["title"], filled(target["expr"], choices), legend)


def choices_of(board: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yields name, series and label of each choice whose values Prometheus is asked for."""
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["definition"])
            assert found is not None, variable["definition"]
            yield variable["name"], found["series"], found["label"]
