"""JSON in what a model wrote: fenced, between sentences, in a list, or cut at the end."""

from __future__ import annotations

import json
from typing import Any

MAX_CHARS = 400_000
MAX_MISSES = 500
"""Braces that begin no object, before the rest of the text is passed over: bounds the time."""
_DECODER = json.JSONDecoder(strict=False)


def after_thoughts(text: str) -> str:
    """Returns what follows a reasoning model's thoughts, which hold drafts."""
    return text.rpartition("</think>")[2]


def objects_in(text: str) -> list[dict[str, Any]]:
    """Returns the outermost whole objects, in order; what a cut one holds whole comes instead.

    Line breaks within strings are taken: models write them.
    """
    return [each for each in _values_in(text, "{") if isinstance(each, dict)]


def unwrapped(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the objects of a list that is all an object holds, as in `{"pairs": [...]}`."""
    (held,) = found.values() if len(found) == 1 else (None,)
    if isinstance(held, list) and all(isinstance(each, dict) for each in held):
        return held
    return [found]


def strings_in(text: str, key: str) -> list[str]:
    """Returns the strings of the list under `key`, or of the first list, even if it is cut."""
    for found in objects_in(text):
        if isinstance(found.get(key), list):
            return [each for each in found[key] if isinstance(each, str)]
    start = text.find("[")
    if start < 0:
        return []
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return [each for each in _values_in(text[start:], '"') if isinstance(each, str)]
    return [each for each in value if isinstance(each, str)]


def _values_in(text: str, opening: str) -> list[Any]:
    text = text[:MAX_CHARS]
    found: list[Any] = []
    at, misses = text.find(opening), 0
    while at >= 0 and misses < MAX_MISSES:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            misses += 1
            end = at + 1
        else:
            found.append(value)
        at = text.find(opening, end)
    return found
