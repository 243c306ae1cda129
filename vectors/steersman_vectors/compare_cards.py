"""What moved between two cards: layer metrics, presets, what got worse. Pure.

Metrics come from the cards, the intervals at presets from the calibrations, where both have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .calibrate.record import Calibration, ChosenPreset, Estimate
from .card import VectorCard

SHARE_DROP = 0.05
"""Of a metric between 0 and 1, that counts as worse: noise of the folds stays below it."""
RATIO_DROP = 0.8
"""Of a metric without an upper end: below this part of what it was counts as worse."""
P_LIMIT = 0.05
METRICS = (
    "raw_norm", "relative_norm", "probe_accuracy", "probe_p", "consistency", "stability", "snr",
    "normalisation",
)  # fmt: skip
_SHARES = ("probe_accuracy", "consistency", "stability")


@dataclass(frozen=True, slots=True)
class MetricMove:
    """A metric at a layer that both vectors measured."""

    layer_idx: int
    metric: str
    was: float
    now: float
    worse: bool


@dataclass(frozen=True, slots=True)
class MeasureMove:
    """A judge's figure at a preset, held-out split, where both calibrations have it."""

    measure: str
    was: Estimate
    now: Estimate
    worse: bool
    """Whether the intervals do not meet, and the new one is on the worse side."""


@dataclass(frozen=True, slots=True)
class PresetMove:
    """A preset that either card has; None where one has not."""

    name: str
    alpha_was: float | None
    alpha_now: float | None
    measures: tuple[MeasureMove, ...]


@dataclass(frozen=True, slots=True)
class CardComparison:
    """What moved between two cards."""

    metrics: tuple[MetricMove, ...]
    presets: tuple[PresetMove, ...]
    alpha_max_was: float | None
    alpha_max_now: float | None
    worse: tuple[str, ...]
    """What got worse, a sentence each."""
    no_cosine: str | None
    """Why directions cannot be compared, where they cannot."""


def compare_cards(
    a: VectorCard,
    b: VectorCard,
    calibration_a: Calibration | None = None,
    calibration_b: Calibration | None = None,
) -> CardComparison:
    """Returns what moved from `a` to `b`."""
    metrics = tuple(_metrics(a, b))
    presets = tuple(_presets(a, b, calibration_a, calibration_b))
    return CardComparison(
        metrics,
        presets,
        a.alpha_max,
        b.alpha_max,
        tuple(_worse(a, b, metrics, presets, _unconfirmed(calibration_b))),
        _no_cosine(a, b),
    )


def _no_cosine(a: VectorCard, b: VectorCard) -> str | None:
    if a.hidden_size != b.hidden_size:
        return (
            f"no cosines: the hidden sizes differ ({a.hidden_size} and {b.hidden_size}), so the "
            "directions are in different spaces"
        )
    if not set(a.layers) & set(b.layers):
        return "no cosines: the two have no layer in common"
    return None


def _metrics(a: VectorCard, b: VectorCard) -> Iterator[MetricMove]:
    was, now = _measured(a), _measured(b)
    for layer_idx in sorted(was.keys() & now.keys()):
        for metric in METRICS:
            before, after = was[layer_idx].get(metric), now[layer_idx].get(metric)
            if before is not None and after is not None:
                worse = _is_worse(metric, before, after)
                yield MetricMove(layer_idx, metric, before, after, worse)


def _is_worse(metric: str, was: float, now: float) -> bool:
    if metric in _SHARES:
        return now < was - SHARE_DROP
    if metric == "snr":
        return now < RATIO_DROP * was
    return metric == "probe_p" and was < P_LIMIT <= now


def _measured(card: VectorCard) -> dict[int, dict[str, float]]:
    """Returns the numbers of the card's layer metrics; a card may say anything there."""
    layers = card.quality.get("layers")
    if not isinstance(layers, Mapping):
        return {}
    return {
        int(layer_idx): {
            metric: float(value)
            for metric, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        for layer_idx, values in layers.items()
        if layer_idx.isdecimal() and isinstance(values, Mapping)
    }


def _presets(
    a: VectorCard, b: VectorCard, was: Calibration | None, now: Calibration | None
) -> Iterator[PresetMove]:
    for name in dict.fromkeys([*a.presets, *b.presets]):
        before, after = a.presets.get(name), b.presets.get(name)
        measures: tuple[MeasureMove, ...] = ()
        if was is not None and now is not None and name in was.presets and name in now.presets:
            better = {measure: told.better for measure, told in now.measures.items()}
            measures = tuple(_figures(was.presets[name], now.presets[name], better))
        yield PresetMove(
            name,
            None if before is None else before.alpha,
            None if after is None else after.alpha,
            measures,
        )


def _figures(
    was: ChosenPreset, now: ChosenPreset, better: Mapping[str, str]
) -> Iterator[MeasureMove]:
    before, after = was.heldout.figures, now.heldout.figures
    for measure in before:
        if measure in after:
            old, new = before[measure], after[measure]
            fell, rose = new.high < old.low, new.low > old.high
            worse = {"higher": fell, "lower": rose}.get(better.get(measure, "neither"), False)
            yield MeasureMove(measure, old, new, worse)


def _unconfirmed(calibration: Calibration | None) -> frozenset[str]:
    """Returns the presets that were chosen, and not confirmed on the held-out split."""
    if calibration is None:
        return frozenset()
    return frozenset(name for name, p in calibration.presets.items() if not p.confirmed)


def _worse(
    a: VectorCard,
    b: VectorCard,
    metrics: tuple[MetricMove, ...],
    presets: tuple[PresetMove, ...],
    unconfirmed: frozenset[str],
) -> Iterator[str]:
    for metric in dict.fromkeys(move.metric for move in metrics if move.worse):
        moves = [move for move in metrics if move.metric == metric]
        bad = [move for move in moves if move.worse]
        most = max(bad, key=lambda move: abs(move.now - move.was))
        yield (
            f"{metric} at {len(bad)} of {len(moves)} layers, most at layer {most.layer_idx}: "
            f"{most.was:.3g} -> {most.now:.3g}"
        )
    for preset in presets:
        if preset.alpha_was is not None and preset.alpha_now is None:
            tried = preset.name in unconfirmed
            why = ": the held-out split does not confirm it" if tried else ""
            yield f"preset {preset.name} (alpha {preset.alpha_was:g}) is gone{why}"
        for figure in preset.measures:
            if figure.worse:
                yield (
                    f"{figure.measure} of preset {preset.name}: {_told(figure.was)} -> "
                    f"{_told(figure.now)}"
                )
    if a.alpha_max is not None and b.alpha_max is None:
        yield f"alpha_max was {a.alpha_max:g}, now nobody has measured it"


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
