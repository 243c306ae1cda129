"""Writes a vector as a file of any format that can say what it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..card import VectorCard
from ..errors import CallerError
from ..vector import SteeringVector
from . import gguf_file, native, svec
from .differences import UNKNOWN_MODEL, model_hint

EXPORT_FORMATS: dict[str, str] = {"native": ".safetensors", "gguf": ".gguf", "svec": ".svec"}
"""Formats -> the ending that their files have."""

_STRENGTH_NOTES = {
    "gguf": "llama.cpp's --control-vector-scaled FILE:1.0 adds what alpha 1 adds here, and at "
    "every position, the prompt's too",
    "svec": f"multiplier 1 adds what alpha 1 adds here, at block outputs; {svec.CAST_NOTE}",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A file's bytes, and what a reader of the file must know."""

    data: bytes
    notes: tuple[str, ...] = ()


def export(vector: SteeringVector, file_format: str) -> Exported:
    """Returns the vector as a file of that format.

    Only the native format keeps the card; the others hold what alpha 1 adds, and the notes name
    what they leave out. Raises `CallerError`: `unknown_format`, or `export_unsupported` for what
    the format cannot say.
    """
    match file_format:
        case "native":
            return Exported(native.dumps(vector))
        case "gguf":
            data = gguf_file.dumps(vector)
        case "svec":
            data = svec.dumps(vector)
        case _:
            raise CallerError(
                f"unknown format: got {file_format[:80]!r}, expected one of "
                f"{', '.join(EXPORT_FORMATS)}",
                code="unknown_format",
                param="format",
            )
    return Exported(data, (_STRENGTH_NOTES[file_format], *_left_out(vector.card)))


def _left_out(card: VectorCard) -> Iterator[str]:
    """Yields notes on what only the native format carries, as far as this card has it."""
    left = []
    if card.presets:
        left.append(f"presets {sorted(card.presets)}")
    if card.scope not in (None, "all"):
        left.append(f"scope {card.scope!r}")
    if card.schedule is not None and card.schedule.kind != "constant":
        left.append(f"schedule {card.schedule.kind!r}")
    if card.alpha_max is not None:
        left.append(f"alpha_max {card.alpha_max:g}")
    if card.fingerprint is not None:
        left.append("the base model's fingerprint")
    if left:
        yield f"not in the file: {', '.join(left)}"
    narrow = sorted(
        name
        for name, preset in card.presets.items()
        if preset.scope not in (None, "all")
        or (preset.schedule is not None and preset.schedule.kind != "constant")
    )
    if narrow:
        yield f"presets {narrow} were measured under a scope or schedule that the file cannot say"
    if card.scale != "raw":
        yield f"scale {card.scale!r} became raw: another alpha multiplies what alpha 1 adds"
    if model_hint(card) == UNKNOWN_MODEL:
        yield "the file says 'unknown' for the kind of model, which the card does not name"
