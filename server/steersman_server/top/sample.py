"""One look at a server: its `/metrics` as numbers, and what it says of its health. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from . import names

Labels = frozenset[tuple[str, str]]
Series = Mapping[str, Mapping[Labels, float]]
"""Values by name, then labels. A name without values: the server has the metric, and no child of
it yet. A name that is not there: the server does not have it."""

_PARTS = ("_bucket", "_count")
_WANTED = frozenset(names.PLAIN) | {f"{h}{part}" for h in names.HISTOGRAMS for part in _PARTS}
_FAMILIES = frozenset(names.PLAIN) | frozenset(names.HISTOGRAMS)
_NAME = re.compile(r"(?:# TYPE )?([a-zA-Z_:][a-zA-Z0-9_:]*)")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was so at one moment."""

    at: float
    """Seconds on a clock that only grows."""
    unix: float
    """Seconds since 1970, for people."""
    series: Series
    health: Mapping[str, Any]
    """What `/v1/steering/health` answered; it may be a few seconds older."""
    scales: Mapping[str, float] | None
    """Tenants that are backed off, and to what; None where the server does not tell."""


def read_series(text: str) -> Series:
    """Returns the values that the screen needs, of a text in Prometheus' format.

    Raises `ValueError` where it is not one.
    """
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families("\n".join(_wanted_lines(text)) + "\n"):
        for declared in _declared(family.name, family.type):
            found.setdefault(declared, {})
        for sample in family.samples:
            if sample.name in _WANTED and math.isfinite(sample.value):
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def restarted(before: Sample, now: Sample) -> bool:
    """Returns whether the server began to count anew in between: a counter fell."""
    return any(
        value < before.series.get(name, {}).get(labels, 0.0)
        for name, values in now.series.items()
        if name.endswith(("_total", "_bucket", "_count"))
        for labels, value in values.items()
    )


def _wanted_lines(text: str) -> Iterator[str]:
    """Yields the few lines in hundreds that matter: parsing them all would be most of the work."""
    for line in text.splitlines():
        match = _NAME.match(line)
        if match is None:
            if line.strip() and not line.startswith("#"):
                raise ValueError(f"not a line of metrics: {line[:80]!r}")
        elif match[1] in (_FAMILIES if line.startswith("#") else _WANTED):
            yield line


def _declared(family: str, kind: str) -> tuple[str, ...]:
    """Returns the series that a `# TYPE` line promises."""
    if kind == "histogram":
        return tuple(f"{family}{part}" for part in _PARTS)
    return (f"{family}_total",) if kind == "counter" else (family,)
