"""What a calibration comes to, in a sentence or two, for the page and the card alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import number_text
from .contents import Contents
from .dial import DEGENERATE, Dial, best_prompt, dial_of, letter, told_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """A vector's standing."""

    standing: Literal["calibrated", "no presets", "no record", "not calibrated"]
    label: str
    sentences: tuple[str, ...]


def verdict(contents: Contents) -> Verdict:
    """Returns where the vector stands."""
    record = contents.calibration
    if record is None and contents.card.presets:
        return Verdict(
            "no record",
            "Presets without their record",
            ("The card has presets; the calibration that they come from was not given.",),
        )
    if record is None:
        return Verdict(
            "not calibrated",
            "Not calibrated",
            ("What it does to answers has not been measured against gates.",),
        )
    dial = dial_of(record)
    if not dial.confirmed:
        why = record.why_none or "no preset held on the held-out split."
        return Verdict(
            "no presets", "Passed no gate: published without presets", (f"No presets: {why}",)
        )
    count = len(dial.confirmed)
    label = f"Calibrated: {count} preset{'s' if count > 1 else ''} held"
    return Verdict("calibrated", label, (_effect(dial), _prompting(dial)))


def _effect(dial: Dial) -> str:
    name, preset = list(dial.confirmed.items())[-1]
    record, told = dial.record, dial.told
    now = preset.heldout.figures.get(record.behaviour)
    if now is None:
        return f"`{record.behaviour}` was not measured on the held-out split."
    before = record.unsteered.get(record.behaviour)
    start = "" if before is None else f" from {number_text.figure(before.value, told)}"
    said = (
        f"Preset `{name}` (alpha {number_text.alpha(preset.alpha)}) takes `{record.behaviour}`"
        f"{start} to {number_text.estimate(now, told)} on {now.n:,} held-out answers"
    )
    broken = preset.heldout.figures.get(DEGENERATE)
    if broken is None:
        return f"{said}."
    share = number_text.figure(broken.value, told_of(record, DEGENERATE))
    return f"{said}; {share} of them are degenerate."


def _prompting(dial: Dial) -> str:
    record = dial.record
    best = best_prompt(record)
    if best is None:
        return "It was not compared with prompting."
    found = record.prompted[best].figures[record.behaviour]
    return (
        f"Prompting alone (system prompt {letter(best)}) reaches "
        f"{number_text.estimate(found, dial.told)}."
    )
