"""Presets as the card has them, where no calibration was given."""

from __future__ import annotations

from pydantic import JsonValue

from .. import number_text
from ..contents import Contents
from ..markup import Markup, el
from .prose import Cell, section, table


def card_presets(contents: Contents) -> Markup | None:
    """Returns the section; None with a calibration, which says more, or without presets."""
    card = contents.card
    if contents.calibration is not None or not card.presets:
        return None
    rows: list[list[Cell]] = [
        [
            name,
            number_text.alpha(preset.alpha),
            evidence_text(preset.evidence) or "none on the card",
        ]
        for name, preset in sorted(card.presets.items(), key=lambda item: abs(item[1].alpha))
    ]
    lead = "As the card has them, with the evidence that stands there."
    return section("Presets", el("p", lead), table(["preset", "alpha", "evidence"], rows))


def evidence_text(evidence: dict[str, JsonValue]) -> str:
    """Returns evidence of any form as one line."""
    return "; ".join(
        f"{name} {shown}" for name, value in evidence.items() if (shown := _text(value))
    )


def _text(value: JsonValue) -> str:
    match value:
        case bool() | None:
            return str(value).lower() if value is not None else ""
        case int() | float():
            return number_text.number(float(value)) if abs(value) < 1e300 else "huge"
        case str():
            return value
        case list():
            return ", ".join(filter(None, map(_text, value)))
        case dict():
            if isinstance(value.get("mean"), int | float) and "error" in value:
                return f"{_text(value['mean'])} ± {_text(value['error'])}"
            if "value" in value and "low" in value and "high" in value:
                low, high = _text(value["low"]), _text(value["high"])
                return f"{_text(value['value'])} ({low} to {high})"
            said = (f"{name} {_text(each)}" for name, each in value.items())
            return f"({', '.join(said)})" if value else ""
