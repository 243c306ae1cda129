"""What else changes along the dial, against the gates."""

from __future__ import annotations

from ...calibrate.record import Gate, Point
from .. import number_text, side_plot
from ..dial import DEGENERATE, Dial, compared, gate_of, presets, side_measures, told_of, value_at
from ..markup import Markup, el, join
from .prose import Cell, section, table

_LEAD = (
    "Against unsteered answers to the same prompts where it says change. A gate is held by the "
    "interval’s worse end, so that luck does not pass it."
)

_ALONG = (
    "Along the whole dial, on the calibration split; dashed: the gate. Curves leave the picture "
    "where they are far beyond it."
)


def side_effects(dial: Dial | None) -> Markup | None:
    """Returns the section; None without a calibration."""
    if dial is None:
        return None
    measures = side_measures(dial.record)
    if not measures:
        return None
    plots = [
        el("figure", el("figcaption", *_caption(dial, measure)), drawn)
        for measure in measures
        if measure != DEGENERATE  # drawn under the curve already
        and (drawn := side_plot.draw(dial, measure)) is not None
    ]
    return section(
        "Side effects",
        el("p", _LEAD),
        _table(dial, measures),
        el("p", _ALONG, cls="note"),
        el("div", *plots, cls="multiples"),
    )


def gate_text(dial: Dial, gate: Gate | None) -> str:
    """Returns `at most 2%`, or `change at least −2 points`."""
    if gate is None:
        return "no gate"
    told = told_of(dial.record, gate.measure)
    say = number_text.change if gate.compared == "change" else number_text.figure
    bounds = [f"at least {say(gate.at_least, told)}"] if gate.at_least is not None else []
    bounds += [f"at most {say(gate.at_most, told)}"] if gate.at_most is not None else []
    said = " and ".join(bounds) or "no bound"
    return f"change {said}" if gate.compared == "change" else said


def _caption(dial: Dial, measure: str) -> list[str]:
    told, changes = told_of(dial.record, measure), compared(dial.record, measure)
    unit = "points" if changes and told.unit == "share" else number_text.unit_of(told)
    what = "change" if changes else ""
    more = ", ".join(part for part in (what, unit) if part)
    return [el("strong", measure), f" {more}" if more else ""]


def _table(dial: Dial, measures: tuple[str, ...]) -> Markup:
    record = dial.record
    shown: list[tuple[str, Point]] = [
        (name, preset.heldout) for name, preset in presets(record).items()
    ]
    where = "held-out split"
    if not shown:
        shown = [
            (f"alpha {number_text.alpha(point.alpha)}", point)
            for point in dial.points
            if point.alpha > 0
        ][:4]
        where = "calibration split"
    rows: list[list[Cell]] = []
    for measure in measures:
        told, base = told_of(record, measure), record.unsteered.get(measure)
        row: list[Cell] = [
            _named(dial, measure),
            (gate_text(dial, gate_of(record, measure)), {"cls": "gate"}),
            "–" if base is None else number_text.figure(base.value, told),
        ]
        row += [_cell(dial, point, measure) for _, point in shown]
        rows.append(row)
    head = ["", "gate", "unsteered", *(name for name, _ in shown)]
    return join(
        table(head, rows), el("p", f"Figures of the {where}, with 95% intervals.", cls="note")
    )


def _named(dial: Dial, measure: str) -> str:
    unit = number_text.unit_of(told_of(dial.record, measure))
    return join(measure, el("small", unit, cls="note") if unit else None, between=" ")


def _cell(dial: Dial, point: Point, measure: str) -> Cell:
    record, found = dial.record, point.figures.get(measure)
    told, change = told_of(record, measure), point.changes.get(measure)
    changes = compared(record, measure) and change is not None
    at = value_at(record, point, measure)
    if at is None:
        return "–"
    if changes:
        moved, low, high = number_text.change_parts(at, told)
        now = moved if found is None else number_text.estimate_parts(found, told)[0]
        said = join(now, None if found is None else el("small", moved))
    else:
        now, low, high = number_text.estimate_parts(at, told)
        said = join(now)
    said = join(said, el("small", f"{low} to {high}"))
    if measure not in point.failed:
        return said
    return join(said, el("small", "fails the gate")), {"cls": "fails"}
