"""Dose and response, with the figures behind the picture."""

from __future__ import annotations

from .. import dose_plot, number_text
from ..dial import DEGENERATE, Dial, letter, told_of
from ..markup import Markup, el, join
from .prose import prose, section, table

WIDE, NARROW = 760.0, 380.0


def dose(dial: Dial | None) -> Markup | None:
    """Returns the section; None without a calibration."""
    if dial is None or not dial.points:
        return None
    record = dial.record
    unit = number_text.unit_of(dial.told)
    measured = f"`{record.behaviour}`" + (f", {unit}," if unit else "")
    count = record.prompts.get("calibration")
    on = "" if count is None else f" of {count:,} prompts"
    lead = (
        f"{measured} by alpha at {number_text.layers_named(dial.layers)} ({dial.layer_set}), on "
        f"the calibration split{on}. The band is the 95% interval."
    )
    return section(
        "Dose and response",
        el("p", prose(lead)),
        el(
            "figure",
            el("div", dose_plot.draw(dial, WIDE), cls="wide"),
            el("div", dose_plot.draw(dial, NARROW), cls="narrow"),
            el("figcaption", *_key(dial)),
        ),
        el("details", el("summary", "The figures"), _figures(dial)),
    )


def _key(dial: Dial) -> list[str]:
    record = dial.record
    parts: list[str] = []
    if dial.safe_to is not None:
        parts += [
            el("span", cls="key zone"),
            "safe: every gate passes on the way up, never beyond alpha_max. ",
        ]
    if record.alpha_max not in (None, dial.safe_to):
        parts.append("alpha_max is of coherence alone: the last alpha before answers break. ")
    parts.append("Filled dots pass every gate, hollow ones do not pass at least one")
    parts.append(
        "; those within the safe zone are undecided, their interval has the bound in it. "
        if dial.undecided
        else ". "
    )
    if record.presets:
        parts.append("Diamonds are presets, measured again on the held-out split. ")
    if record.prompted:
        names = ", ".join(letter(index) for index in range(len(record.prompted)))
        plural = "s" if len(record.prompted) > 1 else ""
        parts.append(f"Dashed: unsteered with system prompt{plural} {names}. ")
    if record.unsteered:
        parts.append("Dotted: unsteered. Both on the held-out split.")
    return parts


def _figures(dial: Dial) -> Markup:
    behaviour, told = dial.record.behaviour, dial.told
    broken = told_of(dial.record, DEGENERATE)
    rows = []
    for point in dial.points:
        found, bad = point.figures.get(behaviour), point.figures.get(DEGENERATE)
        rows.append(
            (
                number_text.alpha(point.alpha),
                "not measured" if found is None else number_text.estimate(found, told),
                "not measured" if bad is None else number_text.estimate(bad, broken),
                "" if found is None else f"{found.n:,}",
                ", ".join(point.failed) or "none",
            )
        )
    head = ("alpha", behaviour, DEGENERATE, "answers", "gates failed")
    return join(table(head, rows))
