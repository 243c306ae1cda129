"""What judges said of one setting as figures with intervals. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

from ..judges.figures import Figure, figure
from .order import Measured
from .record import Estimate

MOST_SILENT = 0.05
"""Share of the answers of which a judge may say nothing and still have a figure: what is left out
might be the worst of them."""
Values = dict[str, list[float | None]]
"""By prompt."""


def estimates_of(
    measures: Iterable[Measured], values: Mapping[str, Values], base: Mapping[str, Values]
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Returns figures and changes; without those that the judge is silent on too often."""
    figures: dict[str, Estimate] = {}
    changes: dict[str, Estimate] = {}
    for measured in measures:
        if measured.name not in values:
            continue
        found = figure(measured.judge.measure, values[measured.name], base.get(measured.name, {}))
        if found.mean is None or found.silent > MOST_SILENT * (found.silent + found.prompts):
            continue
        if all(map(isfinite, found.interval)):
            figures[measured.name] = _estimate(found.mean, found.interval, found.prompts)
        change = _change(found)
        if change is not None:
            changes[measured.name] = change
    return figures, changes


def _change(found: Figure) -> Estimate | None:
    if found.change is None or not all(map(isfinite, found.change_interval)):
        return None
    return _estimate(found.change, found.change_interval, found.prompts)


def _estimate(value: float, interval: tuple[float, float], n: int) -> Estimate:
    return Estimate(value=value, low=interval[0], high=interval[1], n=n)
