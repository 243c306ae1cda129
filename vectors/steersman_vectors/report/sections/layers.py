"""What extraction measured at every layer, as small multiples."""

from __future__ import annotations

from .. import layer_plot, number_text
from ..contents import Contents
from ..dial import Dial
from ..layer_metrics import LayerMetrics, LayerSeries, layer_metrics
from ..markup import Markup, el
from .prose import section, table

_LEAD = (
    "Measured on the pairs alone, before anybody steered. They rank layers and pairs; only answers "
    "show what a vector does."
)

_FEWEST = 3
"""Layers from which on a plot says more than a table."""


def layers(contents: Contents, dial: Dial | None) -> Markup | None:
    """Returns the section; None where the card has no metrics."""
    found = layer_metrics(contents.measured)
    if found is None:
        return None
    chosen = dial.layers if dial is not None and dial.layers else tuple(contents.card.layers)
    marked = () if set(chosen) >= set(found.layers) else chosen
    if len(found.layers) < _FEWEST:
        return section("Layers before steering", el("p", _LEAD), _table(found))
    plots = [_plot(series, found, marked) for series in found.series]
    return section(
        "Layers before steering",
        el("p", _LEAD),
        el("p", *_key(found, marked, chosen), cls="note"),
        el("div", *plots, cls="multiples"),
    )


def _table(found: LayerMetrics) -> Markup:
    """Returns the figures as they are, where there are too few for lines."""
    rows = [
        [
            series.name,
            *(
                "–" if layer not in series.values else number_text.number(series.values[layer])
                for layer in found.layers
            ),
            series.said,
        ]
        for series in found.series
    ]
    return table(["", *(f"layer {layer}" for layer in found.layers), ""], rows)


def _key(found: LayerMetrics, marked: tuple[int, ...], chosen: tuple[int, ...]) -> list[str]:
    parts: list[str] = []
    if marked:
        parts += [
            el("span", cls="key stripe"), f"steered: {number_text.layers_named(marked)}. "
        ]  # fmt: skip
    elif chosen:
        parts.append("The vector acts at every layer shown. ")
    if any(series.null_95 for series in found.series):
        parts += [el("span", cls="key null"), "what chance gives. "]
    if found.try_first is not None:
        parts.append(f"Extraction said to try layer {found.try_first} first. ")
    if any(series.threshold is not None for series in found.series):
        parts.append("Dashed: a bound that the metric should keep above.")
    return parts


def _plot(series: LayerSeries, found: LayerMetrics, marked: tuple[int, ...]) -> Markup:
    return el(
        "figure",
        el("figcaption", el("strong", series.name), el("br"), series.said),
        layer_plot.draw(series, found.layers, marked),
    )
