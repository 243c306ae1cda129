"""Prometheus' HTTP API, as much as pictures need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

POINTS = 240
"""Of a series over the whole time shown."""


@dataclass(frozen=True, slots=True)
class Series:
    """One answer: labels, and values over time."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    """Unix time, ascending."""
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        """Returns the newest value that is a number, or NaN."""
        return next((v for v in reversed(self.values) if math.isfinite(v)), math.nan)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server, and the time that is looked at."""

    url: str
    start: float
    end: float

    @property
    def step(self) -> float:
        """Returns the seconds between two points."""
        return max(1.0, (self.end - self.start) / POINTS)

    def over_time(self, expr: str) -> list[Series]:
        """Returns each series, with gaps as NaN."""
        asked = {"query": expr, "start": self.start, "end": self.end, "step": self.step}
        return [_series(one["metric"], one["values"]) for one in self._get("query_range", asked)]

    def now(self, expr: str) -> list[Series]:
        """Returns the values at the end."""
        asked = {"query": expr, "time": self.end}
        return [_series(one["metric"], [one["value"]]) for one in self._get("query", asked)]

    def values_of(self, series: str, label: str) -> list[str]:
        """Returns what a label can be."""
        asked = {"match[]": series, "start": self.start, "end": self.end}
        return list(self._get(f"label/{label}/values", asked))

    def _get(self, path: str, asked: Mapping[str, object]) -> list:
        reply = httpx.get(f"{self.url}/api/v1/{path}", params=dict(asked), timeout=60).json()
        if reply["status"] != "success":
            raise ValueError(f"Prometheus refused {dict(asked)}: {reply.get('error')}")
        data = reply["data"]
        return data["result"] if isinstance(data, dict) else data


def _series(labels: Mapping[str, str], values: list) -> Series:
    return Series(labels, tuple(float(t) for t, _ in values), tuple(float(v) for _, v in values))
