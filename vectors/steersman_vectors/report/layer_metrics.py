"""The layer metrics that a card holds, as series over the layers. Pure, and careful of any JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ..card import VectorCard

Series = dict[int, float]
LayerJson = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class LayerSeries:
    """One metric, layer by layer."""

    name: str
    said: str
    """How to read it."""
    values: Series
    threshold: float | None = None
    """Where it begins to be good or bad."""
    from_zero: bool = False
    """Whether its axis begins at 0: for magnitudes."""
    null_mean: Series = field(default_factory=dict)
    null_95: Series = field(default_factory=dict)
    """Of the probe: what chance gives."""
    percent: bool = False


@dataclass(frozen=True, slots=True)
class LayerMetrics:
    """All of them."""

    series: tuple[LayerSeries, ...]
    layers: tuple[int, ...]
    try_first: int | None


_DIGITS = 4
"""Of a layer_idx."""
_HUGE = 1e12
_MAGNITUDES = frozenset({"snr", "relative_norm"})
_PLAIN: tuple[tuple[str, str, float | None], ...] = (
    ("consistency", "do pairs agree on the direction?", None),
    ("stability", "cosine of halves; below 0.9, write more pairs", 0.9),
    ("snr", "signal over the spread of strengths", None),
    ("normalisation", "below 0.9, a few long differences decide", 0.9),
    ("relative_norm", "grows with depth: no guide to a layer", None),
    ("adjacent_cosine", "low where the concept forms", None),
)


def layer_metrics(card: VectorCard) -> LayerMetrics | None:
    """Returns the metrics that extraction wrote to the card; None where it has none."""
    found = card.quality.get("layers")
    by_layer = _by_layer(found) if isinstance(found, dict) else {}
    if not by_layer:
        return None
    series = [
        LayerSeries(
            "probe_accuracy",
            "can the sides be told apart? Grey: 95 of 100 random labellings",
            _numbers(by_layer, lambda each: each.get("probe_accuracy")),
            null_mean=_numbers(by_layer, lambda each: each.get("probe_null_mean")),
            null_95=_numbers(by_layer, lambda each: each.get("probe_null_95")),
            percent=True,
        ),
        *(
            LayerSeries(
                name,
                said,
                _numbers(by_layer, _getter(name)),
                threshold=threshold,
                from_zero=name in _MAGNITUDES,
            )
            for name, said, threshold in _PLAIN
        ),
        LayerSeries(
            "explained_variance PC1",
            "near 1: one direction; low: several",
            _numbers(by_layer, lambda each: _nth(each.get("explained_variance"), 0)),
            percent=True,
        ),
        LayerSeries(
            "interference",
            _alike(by_layer),
            _numbers(by_layer, lambda each: _largest(each.get("interference"))),
        ),
    ]
    first = card.quality.get("try_first")
    return LayerMetrics(
        series=tuple(each for each in series if each.values),
        layers=tuple(sorted(by_layer)),
        try_first=first if isinstance(first, int) and not isinstance(first, bool) else None,
    )


def _by_layer(found: Mapping[str, JsonValue]) -> dict[int, LayerJson]:
    return {
        int(key): value
        for key, value in found.items()
        if key.isascii() and key.isdigit() and len(key) <= _DIGITS and isinstance(value, dict)
    }


def _numbers(by_layer: Mapping[int, LayerJson], get: Callable[[LayerJson], JsonValue]) -> Series:
    said = {layer_idx: _number(get(by_layer[layer_idx])) for layer_idx in sorted(by_layer)}
    return {layer_idx: value for layer_idx, value in said.items() if value is not None}


def _number(value: JsonValue) -> float | None:
    """Returns a number of a size that a metric can have; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _HUGE else None


def _getter(name: str) -> Callable[[LayerJson], JsonValue]:
    return lambda each: each.get(name)


def _nth(values: JsonValue, index: int) -> JsonValue:
    return values[index] if isinstance(values, list) and len(values) > index else None


def _alike(by_layer: Mapping[int, LayerJson]) -> str:
    """Returns whose cosine is shown: of the other vectors, the most alike at each layer."""
    names = []
    for each in by_layer.values():
        found, most = each.get("interference"), _largest(each.get("interference"))
        if isinstance(found, dict) and most is not None:
            names += [name for name, value in found.items() if value == most]
    (only, *others) = dict.fromkeys(names) or [""]
    return f"cosine with {only}" if not others else "cosine with the most alike other vector"


def _largest(values: JsonValue) -> JsonValue:
    if not isinstance(values, dict):
        return None
    numbers = [number for value in values.values() if (number := _number(value)) is not None]
    return max(numbers, key=abs, default=None)
