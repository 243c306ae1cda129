"""What judges said of one setting as figures with intervals. Pure.

A prompt counts once, whatever its samples. Of shares with several samples the intervals are
Wilson's and Newcombe's over prompts, as if each had one sample that is bad by that share: rather
too wide than too narrow, and of a width even where nothing bad was seen, as a gate needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isfinite
from statistics import fmean

from ..intervals import paired_shares, wilson
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
        measure, own = measured.judge.measure, values[measured.name]
        before = base.get(measured.name, {})
        found = figure(measure, own, before)
        if measure.unit == "share" and any(len(said) > 1 for said in own.values()):
            found = _of_shares(found, _means(own), _means(before))
        if found.mean is None or found.silent > MOST_SILENT * sum(map(len, own.values())):
            continue
        if all(map(isfinite, found.interval)):
            figures[measured.name] = _estimate(found.mean, found.interval, found.prompts)
        change = _change(found)
        if change is not None:
            changes[measured.name] = change
    return figures, changes


def _of_shares(found: Figure, here: dict[str, float], there: dict[str, float]) -> Figure:
    """Returns the figure with the intervals of shares over prompts; here, there: means of them."""
    if not here:
        return found
    pairs = [(here[prompt], there[prompt]) for prompt in here if prompt in there]
    return replace(
        found,
        interval=wilson(min(sum(here.values()), len(here)), len(here)),
        change_interval=paired_shares(
            sum(a * b for a, b in pairs),
            sum(a * (1 - b) for a, b in pairs),
            sum((1 - a) * b for a, b in pairs),
            sum((1 - a) * (1 - b) for a, b in pairs),
        ),
    )


def _means(values: Values) -> dict[str, float]:
    said = {prompt: [v for v in own if v is not None] for prompt, own in values.items()}
    return {prompt: fmean(own) for prompt, own in said.items() if own}


def _change(found: Figure) -> Estimate | None:
    if found.change is None or not all(map(isfinite, found.change_interval)):
        return None
    return _estimate(found.change, found.change_interval, found.prompts)


def _estimate(value: float, interval: tuple[float, float], n: int) -> Estimate:
    return Estimate(value=value, low=interval[0], high=interval[1], n=n)
