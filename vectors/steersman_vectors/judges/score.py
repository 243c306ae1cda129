"""The score in what a model replied: its last JSON with one, else a last line that is one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..asking.model_json import objects_in

REASON_CHARS = 300
_THINKING, _THOUGHT = "<think>", "</think>"
_OUT_OF = re.compile(r"\s*(?:/|out of|of)\s*\d+(?:\.\d+)?", re.IGNORECASE)
_LAST_LINE = re.compile(
    r"(?:(?:(?:my|the|final|overall)\s+)*(?:score|rating|grade|answer)\b\s*(?:is|of)?\s*[:=]?\s*)?"
    r"([-+]?\d+(?:\.\d+)?)(?:\s*points?)?\.?",
    re.IGNORECASE,
)
_DECORATION = re.compile(r"[*_`#>\[\]()]+")


@dataclass(frozen=True, slots=True)
class Score:
    """What one reply says; without a value, `why` says what is wrong with it."""

    value: float | None
    why: str = ""


def score_in(reply: str, low: float, high: float) -> Score:
    """Returns the score of a reply on the scale from low to high."""
    if reply.lstrip().startswith(_THINKING) and _THOUGHT not in reply:
        return Score(None, "the reply ends before its thinking does")
    said = reply.rsplit(_THOUGHT, 1)[-1].strip()
    if not said:
        return Score(None, "the reply is empty")
    scored = [found for found in objects_in(said) if "score" in found]
    if scored:
        return _of_json(scored[-1], low, high)
    lines = [line for line in said.splitlines() if _DECORATION.sub("", line).strip()]
    last = _DECORATION.sub("", lines[-1]).strip() if lines else ""
    bare = _OUT_OF.sub("", last).strip()
    number = _LAST_LINE.fullmatch(bare)
    if number is None:
        return Score(
            None, f"no JSON with a score, and no score alone on its last line: {last[:80]!r}"
        )
    return _on_scale(float(number[1]), low, high, " ".join(lines[:-1])[:REASON_CHARS])


def _of_json(found: dict[str, object], low: float, high: float) -> Score:
    value = found["score"]
    if isinstance(value, str):
        try:
            value = float(_OUT_OF.sub("", value))
        except ValueError:
            return Score(None, f"its score is {str(found['score'])[:40]!r}, expected a number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Score(None, f"its score is {str(value)[:40]}, expected a number")
    reason = found.get("reason")
    return _on_scale(value, low, high, reason[:REASON_CHARS] if isinstance(reason, str) else "")


def _on_scale(value: float, low: float, high: float, why: str) -> Score:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not low <= number <= high:
        return Score(None, f"its score {number:g} is not on the scale from {low:g} to {high:g}")
    return Score(number, why)
