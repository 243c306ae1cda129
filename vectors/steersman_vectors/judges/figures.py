"""Scores as figures: of each setting of a sweep, with 95% intervals. Pure.

Samples of one prompt are alike, so a prompt counts once, with the mean of its samples. A share of
single samples gets Wilson's interval, everything else Student's; the change against the unsteered
answers is of pairs, prompt by prompt, and so narrower than the intervals of the two means suggest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..intervals import Interval, mean_interval, paired_difference, wilson
from ..sweep import grid as grids
from ..sweep.grid import UNSTEERED, Grid, Setting
from .contract import Measure
from .scores import Scores


@dataclass(frozen=True, slots=True)
class Figure:
    """What one judge says of one setting."""

    prompts: int
    """Of which it says something."""
    silent: int
    """Answers of which it says nothing."""
    mean: float | None
    interval: Interval
    change: float | None = None
    """Mean difference to the unsteered answers, on the prompts of which both are judged."""
    change_interval: Interval = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class SettingFigures:
    """What all judges say of one setting."""

    setting: Setting
    figures: Mapping[str, Figure]
    """By measure, in the judges' order."""


def figures_of(grid: Grid, scores: Scores) -> tuple[SettingFigures, ...]:
    """Returns the figures of the unsteered model, then of each setting that steers."""
    steering = [setting for setting in grids.settings(grid) if setting.steers]
    plain = {each.name: by_prompt(grid, scores, each, UNSTEERED) for each in scores.measures}
    found: list[SettingFigures] = []
    for setting in [UNSTEERED, *steering]:
        figures: dict[str, Figure] = {}
        for measure in scores.measures:
            values = by_prompt(grid, scores, measure, setting)
            base = plain[measure.name] if setting.steers else {}
            figures[measure.name] = figure(measure, values, base)
        if any(each.prompts or each.silent for each in figures.values()):
            found.append(SettingFigures(setting, figures))
    return tuple(found)


def by_prompt(
    grid: Grid, scores: Scores, measure: Measure, setting: Setting
) -> dict[str, list[float | None]]:
    """Returns the values of a setting's answers by prompt, of those that are judged."""
    said = scores.verdicts.get(measure.name, {})
    found: dict[str, list[float | None]] = {}
    for run in grids.runs_of(grid, setting):
        if run.id in said:
            found.setdefault(run.prompt.id, []).append(said[run.id].value)
    return found


def figure(
    measure: Measure,
    values: Mapping[str, Sequence[float | None]],
    base: Mapping[str, Sequence[float | None]],
) -> Figure:
    """Returns the figure of one setting; values and base: by prompt."""
    means, base_means = _means(values), _means(base)
    silent = sum(value is None for of_prompt in values.values() for value in of_prompt)
    if not means:
        return Figure(0, silent, None, (measure.low, measure.high))
    single = all(len(of_prompt) == 1 for of_prompt in values.values())
    if single and measure.unit == "share":
        interval = wilson(round(sum(means.values())), len(means))
    else:
        low, high = mean_interval(list(means.values()))
        interval = max(low, measure.low), min(high, measure.high)
    both = [prompt for prompt in means if prompt in base_means]
    here, there = [means[each] for each in both], [base_means[each] for each in both]
    return Figure(
        prompts=len(means),
        silent=silent,
        mean=fmean(means.values()),
        interval=interval,
        change=fmean(here) - fmean(there) if both else None,
        change_interval=paired_difference(here, there),
    )


def _means(values: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for prompt, of_prompt in values.items():
        said = [value for value in of_prompt if value is not None]
        if said:
            found[prompt] = fmean(said)
    return found
