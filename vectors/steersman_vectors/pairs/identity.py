"""By what lines are the same: exactly, as readers see them, or for the split they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from ..message import Message
from .fold import fold, fold_case
from .line import Line
from .pair import Example


def exact_key(line: Line) -> bytes:
    """Returns 32 bytes that two lines share if they say the same, character by character."""
    return _digest([line.form, line.group, *(_side(line, s) for s in ("positive", "negative"))])


def folded_key(line: Line) -> bytes:
    """Returns 32 bytes that two lines share if they differ in white space and NFKC alone."""
    sides = (
        None if side is None else [[[m.role, fold(m.content)] for m in side.prompt],
                                   None if side.answer is None else fold(side.answer)]
        for side in (line.positive, line.negative)
    )  # fmt: skip
    return _digest([line.form, *sides])


def split_key(line: Line) -> str:
    """Returns what decides the split: the group, or what is asked without system prompt and case.

    So one question stays in one split, whatever is answered and under whichever system prompt.
    """
    if line.group is not None:
        return f"group:{fold(line.group)}"
    return "prompt:" + "\x1f".join(dict.fromkeys(asked(side) for side in line.sides))


def asked(example: Example) -> str:
    """Returns the turns of a prompt but for the system's, as one folded text."""
    spoken = (m for m in example.prompt if m.role != "system")
    return "\x1e".join(fold_case(m.content) for m in spoken)


def data_hash(keys: Iterable[bytes]) -> str:
    """Returns `sha256:<hex>` of a set of exact keys, whatever their order and number."""
    return f"sha256:{hashlib.sha256(b''.join(sorted(set(keys)))).hexdigest()}"


def _side(line: Line, name: str) -> object:
    side: Example | None = getattr(line, name)
    return None if side is None else [_turns(side.prompt), side.answer]


def _turns(messages: Iterable[Message]) -> list[list[str]]:
    return [[m.role, m.content] for m in messages]


def _digest(value: object) -> bytes:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).digest()
