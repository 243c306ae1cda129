"""One metric over the layers, small; the layers that are steered stand out."""

from __future__ import annotations

from collections.abc import Iterable

from . import number_text
from .axes import Axis, Frame, band, extent, line, opened, svg, ticks
from .layer_metrics import LayerSeries
from .markup import Markup, el, join

WIDTH, HEIGHT = 260.0, 144.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 252.0, 10.0, 116.0

LEAST = 0.2
"""The shortest range of an axis of cosines and shares."""


def draw(series: LayerSeries, layers: tuple[int, ...], chosen: Iterable[int]) -> Markup:
    """Returns the plot over all layers that were measured."""
    found = sorted(series.values.items())
    ends = [*series.values.values(), *series.null_mean.values(), *series.null_95.values()]
    around = [] if series.threshold is None else [series.threshold]
    if series.from_zero:
        around.append(0.0)
    else:  # so that a difference of a thousandth does not look like a hill
        short = max(0.0, LEAST - (max(ends) - min(ends))) / 2
        around += [min(ends) - short, max(ends) + short]
    low, high = extent(ends, around=around)
    low = max(low, 0.0) if series.from_zero else low
    if series.percent or max(map(abs, ends)) <= 1:
        high = min(high, 1.02)
    reach = max(0.5, 0.02 * (layers[-1] - layers[0]))
    x = Axis(layers[0] - reach, layers[-1] + reach, LEFT, RIGHT)
    frame = Frame(x, Axis(*opened(low, high), BOTTOM, TOP))

    def say(value: float) -> str:
        return number_text.figure(value, _SHARE) if series.percent else number_text.number(value)

    marked = [layer_idx for layer_idx in chosen if layer_idx in series.values]
    parts: list[str | None] = [_stripe(frame, layer_idx) for layer_idx in marked]
    parts.append(frame.grid(ticks(frame.y.low, frame.y.high, 4), say))
    if series.threshold is not None:
        parts.append(frame.across(series.threshold, "bound"))
    parts.append(_null(frame, series))
    parts.append(line([frame.spot(*each) for each in found], "curve metric"))
    radius = 2.6 if len(found) <= 16 else 1.6
    for layer_idx, value in found:
        spot_x, spot_y = frame.spot(layer_idx, value)
        cls, r = ("dot metric chosen", radius + 1.6) if layer_idx in marked else (
            "dot metric", radius
        )  # fmt: skip
        parts.append(el("circle", cx=spot_x, cy=spot_y, r=r, cls=cls))
    whole = [value for value in ticks(x.low, x.high, 8) if value == int(value)]
    parts.append(frame.below(whole, lambda value: f"{value:.0f}"))
    said = ", ".join(f"{say(value)} at layer {layer_idx}" for layer_idx, value in found)
    return svg(WIDTH, HEIGHT, f"{series.name} by layer", said, join(*parts))


def _stripe(frame: Frame, layer_idx: int) -> Markup:
    left, right = frame.x.at(layer_idx - 0.5), frame.x.at(layer_idx + 0.5)
    width = max(right - left, 3.0)
    middle = frame.x.at(layer_idx)
    return el("rect", x=middle - width / 2, y=TOP, width=width, height=BOTTOM - TOP, cls="stripe")


def _null(frame: Frame, series: LayerSeries) -> Markup | None:
    both = [layer_idx for layer_idx in series.null_mean if layer_idx in series.null_95]
    if not both:
        return None
    lower = [frame.spot(layer_idx, series.null_mean[layer_idx]) for layer_idx in both]
    upper = [frame.spot(layer_idx, series.null_95[layer_idx]) for layer_idx in both]
    return join(band(lower, upper, "band null"), line(upper, "curve null"))


_SHARE = number_text.UNKNOWN.model_copy(update={"unit": "share"})
