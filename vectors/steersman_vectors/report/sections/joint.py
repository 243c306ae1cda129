"""The vector together with others, where they were calibrated together."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from ...calibrate.joint_card import BESIDE
from ..contents import Contents
from ..markup import Markup, el
from .card_presets import evidence_text
from .prose import Cell, section, table

_LEAD = (
    "Presets of several vectors at once. Changes are of each behaviour against the same preset "
    "alone, with 95% intervals: below 0, the others take something away."
)


def joint(contents: Contents) -> Markup | None:
    """Returns the section; None where the card says nothing of other vectors."""
    rows = joint_rows(contents)
    if not rows:
        return None
    head = [contents.card.name, "with", "against alone", "half", "gates failed"]
    return section("Beside other vectors", el("p", _LEAD), table(head, rows))


def joint_rows(contents: Contents) -> list[list[Cell]]:
    """Returns own preset, the other's, the change of both, the half, and what failed."""
    said = contents.card.quality.get("joint")
    rows: list[list[Cell]] = []
    for other, entry in said.items() if isinstance(said, dict) else ():
        found = entry.get("interference") if isinstance(entry, dict) else None
        for each in found if isinstance(found, list) else ():
            if isinstance(each, dict):
                rows.append(_row(contents.card.name, other, each))
    return rows


def _row(own: str, other: str, each: Mapping[str, JsonValue]) -> list[Cell]:
    failed, alone = each.get("failed"), each.get("against_alone")
    return [
        _words(each.get(own)),
        ", ".join(f"{name} {_words(each.get(name))}" for name in other.split(BESIDE)),
        evidence_text(alone) if isinstance(alone, dict) else "–",
        _words(each.get("half")),
        ", ".join(map(_words, failed)) or "none" if isinstance(failed, list) else "–",
    ]


def _words(value: JsonValue) -> str:
    return value if isinstance(value, str) else "–"
