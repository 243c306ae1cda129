"""The vector beside prompting, on the same judge and the same prompts."""

from __future__ import annotations

from ...calibrate.record import Estimate
from .. import number_text
from ..dial import Dial, letter, side_measures, told_of
from ..markup import Markup, el, join
from .prose import Cell, section, table

_LEAD = (
    "The same behaviour by a system prompt alone, without the vector, on the held-out split. "
    "Prompting costs tokens and can be talked out of; a vector is a dial and works on what the "
    "prompt leaves open."
)


def prompting(dial: Dial | None) -> Markup | None:
    """Returns the section; None where nothing was compared."""
    if dial is None or not dial.record.prompted:
        return None
    record = dial.record
    measures = [record.behaviour, *side_measures(record)]
    ways: list[tuple[str, dict[str, Estimate]]] = [("unsteered", record.unsteered)]
    ways += [(f"prompt {letter(i)}", each.figures) for i, each in enumerate(record.prompted)]
    ways += [(name, preset.heldout.figures) for name, preset in dial.confirmed.items()]
    rows: list[list[Cell]] = []
    for way, figures in ways:
        rows.append([way, *(_cell(dial, figures.get(measure), measure) for measure in measures)])
    asked: list[str] = []
    for index, each in enumerate(record.prompted):
        asked.append(el("dt", f"prompt {letter(index)}"))
        asked.append(el("dd", each.system_prompt, dir="auto"))
    return section(
        "Beside prompting",
        el("p", _LEAD),
        table(["", *measures], rows),
        el("dl", *asked, cls="made"),
    )


def _cell(dial: Dial, found: Estimate | None, measure: str) -> Cell:
    if found is None:
        return "–"
    told = told_of(dial.record, measure)
    value, low, high = number_text.estimate_parts(found, told)
    return join(value, el("small", f"{low} to {high}"))
