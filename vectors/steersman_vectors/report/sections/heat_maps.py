"""Layer sets against alphas, the behaviour and the broken answers side by side."""

from __future__ import annotations

from collections.abc import Sequence

from .. import number_text
from ..contents import Contents
from ..dial import DEGENERATE, Dial
from ..heat import LEVELS, Heat, heats
from ..markup import Markup, el
from .prose import section

_LEAD = (
    "Every layer set that was tried, at every alpha. A good setting is strong in colour on the "
    "left and faint on the right."
)
_STRONG = 7
"""From this level on, text is in the other colour."""
_SIDE_BY_SIDE = 11
"""Alphas at most for which two maps fit beside each other."""


def heat_maps(contents: Contents, dial: Dial | None) -> Markup | None:
    """Returns the section; None where neither a calibration nor a sweep was given."""
    found = heats(contents)
    if not found:
        return None
    lead = _LEAD if len({heat.measure for heat in found}) > 1 else (
        "Every layer set that was tried, at every alpha. Faint is good."
    )  # fmt: skip
    few = all(len(heat.alphas) <= _SIDE_BY_SIDE for heat in found)
    groups = [
        el(
            "div",
            *(_map(heat, dial) for heat in found if heat.source == source),
            cls="pair" if few else "pair stacked",
        )
        for source in ("calibration", "sweep")
        if any(heat.source == source for heat in found)
    ]
    boxed = " Boxed: the presets." if dial is not None and dial.record.presets else ""
    return section("Layers and alphas", el("p", lead + boxed), *groups)


def _map(heat: Heat, dial: Dial | None) -> Markup:
    unit = number_text.unit_of(heat.told)
    source = "calibration split" if heat.source == "calibration" else "sweep"
    caption = f"{heat.measure}{', ' + unit if unit else ''} ({source})"
    head = el(
        "tr",
        el("th", "layers", scope="col"),
        *(el("th", number_text.alpha(alpha), scope="col") for alpha in heat.alphas),
    )
    body = [
        _row(heat, row, values, dial) for row, values in zip(heat.rows, heat.cells, strict=True)
    ]
    shown = el("table", el("thead", head), el("tbody", *body), cls="heat")
    return el(
        "figure",
        el("figcaption", el("strong", caption)),
        el("div", shown, cls="scroll", tabindex=0),
    )


def _row(
    heat: Heat, row: tuple[str, tuple[int, ...]], values: Sequence[float | None], dial: Dial | None
) -> Markup:
    rule, layers = row
    written = number_text.layers(layers)
    small = None if written.replace(" ", "") == rule else el("small", written)
    cells = [
        _cell(heat, value, _is_chosen(row, alpha, dial))
        for alpha, value in zip(heat.alphas, values, strict=True)
    ]
    return el("tr", el("th", rule, small, scope="row"), *cells)


def _cell(heat: Heat, value: float | None, chosen: bool) -> Markup:
    box = " chosen" if chosen else ""
    if value is None:
        return el("td", "–", cls=f"none{box}")
    level = heat.level(value)
    strong = " strong" if level >= _STRONG else ""
    ramp = "d" if heat.measure == DEGENERATE else "h"
    shown = f"{100 * value:.0f}" if heat.told.unit == "share" else number_text.number(value, 2)
    return el("td", shown, cls=f"{ramp}{min(level, LEVELS)}{strong}{box}")


def _is_chosen(row: tuple[str, tuple[int, ...]], alpha: float, dial: Dial | None) -> bool:
    if dial is None:
        return False
    rule, layers = row
    return any(
        (preset.calibration.layers, preset.alpha) == (layers, alpha)
        and preset.calibration.layer_set == rule
        for preset in dial.record.presets.values()
    )
