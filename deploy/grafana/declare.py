"""What a dashboard is made of, in the few words that ours need.

Queries are PromQL. `{...}` in them gets the dashboard's choice of servers when it is built, so a
declaration says `steering_requests_total{tenant=~"$tenant"}` and means those of the chosen ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["timeseries", "stat", "bargauge", "table", "heatmap"]

GREEN, BLUE, PURPLE = "#73bf69", "#5794f2", "#b877d9"
YELLOW, ORANGE, RED = "#fade2a", "#ff9830", "#f2495c"
TEAL, GREY = "#56c8d8", "#8e8e99"

INSTANCE = 'instance=~"$instance"'


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression of a panel."""

    expr: str
    legend: str = ""
    """`{{label}}` is put in; of a table, the column's title."""
    unit: str = ""
    """Of a table's column; elsewhere the panel's unit holds."""
    all_servers: bool = False
    """True where the dashboard's choice of servers does not apply."""

    @property
    def scoped(self) -> str:
        """Returns the expression for the chosen servers."""
        if self.all_servers:
            return self.expr
        return self.expr.replace("{", f"{{{INSTANCE}, ").replace(", }", "}")


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; its place follows from the order of the declaration."""

    kind: Kind
    title: str
    description: str
    """What it means, and what to do when it looks bad."""
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8
    """Of 24 columns."""
    height: int = 8
    stacked: bool = False
    decimals: int | None = None
    low: float | None = None
    high: float | None = None
    steps: tuple[tuple[float, str], ...] = ()
    """From this value on, this colour; green below."""
    says: tuple[tuple[float, str, str], ...] = ()
    """A value that is shown as a word: value, word, colour."""
    colours: tuple[tuple[str, str], ...] = ()
    """The colours of series, by legend."""
    base: str = GREEN


@dataclass(frozen=True, slots=True)
class Row:
    """A heading with the panels under it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a reader chooses at the top."""

    name: str
    label: str
    query: str
    """`label_values(METRIC, LABEL)`, or durations with commas between."""
    many: bool = True
    default: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    since: str = "now-1h"


SERVERS = Variable("instance", "Server", "label_values(steering_registry_revision, instance)")
WINDOW = Variable("window", "Window of quality", "5m,15m,30m,1h,6h,1d", many=False, default="30m")
TENANT = Variable("tenant", "Tenant", "label_values(steering_requests_total, tenant)")


def stat(title: str, description: str, expr: str, **rest: object) -> Panel:
    """Returns a single number, four columns wide unless told otherwise."""
    made = Panel("stat", title, description, (Query(expr),), width=4, height=4)
    return replace(made, **rest)  # type: ignore[arg-type]


def lines(title: str, description: str, *queries: Query, **rest: object) -> Panel:
    """Returns a panel of series over time."""
    return replace(Panel("timeseries", title, description, queries), **rest)  # type: ignore[arg-type]


def bars(title: str, description: str, *queries: Query, **rest: object) -> Panel:
    """Returns horizontal bars of the newest values."""
    return replace(Panel("bargauge", title, description, queries), **rest)  # type: ignore[arg-type]


def table(title: str, description: str, *columns: Query, **rest: object) -> Panel:
    """Returns a table: a row for each set of labels, a column for each query."""
    made = Panel("table", title, description, columns, width=24)
    return replace(made, **rest)  # type: ignore[arg-type]


def heatmap(title: str, description: str, query: Query, **rest: object) -> Panel:
    """Returns how a histogram's values are spread, over time; the query keeps `le`."""
    made = Panel("heatmap", title, description, (query,))
    return replace(made, **rest)  # type: ignore[arg-type]
