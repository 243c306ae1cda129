"""One figure of a sweep as a table per vector: layer sets down, alphas across."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .summary import Summary

Figure = Callable[[Summary], float | None]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The figure of every setting of one vector."""

    vector: str
    rules: tuple[str, ...]
    layers: tuple[tuple[int, ...], ...]
    """Of each rule."""
    alphas: tuple[float, ...]
    cells: tuple[tuple[float | None, ...], ...]
    """`[rules][alphas]`; None where nothing was answered."""


def heat_maps(summaries: Sequence[Summary], figure: Figure) -> tuple[HeatMap, ...]:
    """Returns a map for each vector, in the order of the summaries; the unsteered is in none."""
    found: dict[str, dict[str, dict[float, float | None]]] = {}
    layers: dict[tuple[str, str], tuple[int, ...]] = {}
    for summary in summaries:
        setting = summary.setting
        if setting.vector is None:
            continue
        name = setting.vector.name
        found.setdefault(name, {}).setdefault(setting.rule, {})[setting.alpha] = figure(summary)
        layers[name, setting.rule] = setting.layers
    maps = []
    for name, by_rule in found.items():
        alphas = tuple(dict.fromkeys(alpha for row in by_rule.values() for alpha in row))
        maps.append(
            HeatMap(
                vector=name,
                rules=tuple(by_rule),
                layers=tuple(layers[name, rule] for rule in by_rule),
                alphas=alphas,
                cells=tuple(tuple(row.get(alpha) for alpha in alphas) for row in by_rule.values()),
            )
        )
    return tuple(maps)
