"""What people are shown of two vectors: agreement, metrics, presets, what got worse. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from steersman_vectors.calibrate.record import Estimate
from steersman_vectors.card import VectorCard
from steersman_vectors.compare import LayerComparison
from steersman_vectors.compare_cards import CardComparison, MetricMove, PresetMove

from ..control.operations import Comparison
from .output import printable
from .vector_views import number, shortened, table_of

SHOWN = ("probe_accuracy", "consistency", "stability", "snr")
"""Metrics with a column; all are in the JSON."""


def diff_parts(comparison: Comparison) -> list[Any]:
    """Returns the agreement of two versions, and where their cards differ."""
    a, b = comparison.a, comparison.b
    parts = compared_parts(str(a), str(b), comparison.layers, comparison.moved)
    if a.digest == b.digest:
        lines = ["The two are the same bytes."]
    else:
        lines = [
            f"{name}: {shortened(was)} -> {shortened(now)}"
            for name, was, now in _card_changes(a.card, b.card)
        ]
    lines += map(printable, comparison.notes)
    return [*parts, "", *lines] if lines else parts


def compared_parts(
    a: str, b: str, layers: Sequence[LayerComparison], moved: CardComparison
) -> list[Any]:
    """Returns tables of layers and presets, and a line for each thing that got worse.

    a, b: what the two are called.
    """
    parts: list[Any] = [_layers(a, b, layers, moved.metrics)]
    if moved.no_cosine is not None:
        parts.append(moved.no_cosine)
    if moved.presets:
        parts += ["", _presets(a, b, moved)]
    if moved.worse:
        parts += ["", "Worse:", *(f"  {printable(line)}" for line in moved.worse)]
    elif moved.metrics or moved.presets:
        parts += ["", "Nothing got worse of what both measured."]
    return parts


def _layers(
    a: str, b: str, layers: Sequence[LayerComparison], metrics: Sequence[MetricMove]
) -> Table:
    by_place = {(move.layer_idx, move.metric): move for move in metrics}
    shown = [name for name in SHOWN if any(metric == name for _, metric in by_place)]
    titles = [name.replace("_", " ") for name in shown]
    table = table_of("layer", "cosine", f"added norm of {a}", f"of {b}", *titles)
    for layer in layers:
        moves = [by_place.get((layer.layer_idx, name)) for name in shown]
        table.add_row(
            str(layer.layer_idx),
            number(layer.cosine),
            number(layer.norm_a),
            number(layer.norm_b),
            *map(_move, moves),
        )
    return table


def _move(move: MetricMove | None) -> str:
    if move is None:
        return "-"
    return f"{move.was:.3g} -> {move.now:.3g}{' worse' if move.worse else ''}"


def _presets(a: str, b: str, moved: CardComparison) -> Table:
    table = table_of("preset", f"alpha of {a}", f"of {b}", "held-out figures [95% interval]")
    for preset in moved.presets:
        table.add_row(
            preset.name, number(preset.alpha_was), number(preset.alpha_now), _figures(preset)
        )
    table.add_row("alpha_max", number(moved.alpha_max_was), number(moved.alpha_max_now), "")
    return table


def _figures(preset: PresetMove) -> str:
    return "; ".join(
        f"{printable(move.measure)} {_told(move.was)} -> {_told(move.now)}"
        for move in preset.measures
    )


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"


def _card_changes(a: VectorCard, b: VectorCard) -> Iterator[tuple[str, str, str]]:
    """Yields (field, in a, in b) for what the cards say differently and no table shows."""
    was, now = (card.model_dump(mode="json") for card in (a, b))
    for field in was:
        if field not in ("layers", "recipe", "quality") and was[field] != now[field]:
            yield field, json.dumps(was[field]), json.dumps(now[field])
