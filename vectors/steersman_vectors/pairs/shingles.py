"""What near duplicates have in common: pairs of neighbouring words, or runs of characters.

Of long texts a window is cut into shingles, and the rest must be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from ..quality.units import split_words
from .fold import fold_case
from .identity import asked
from .line import Line
from .near import Shingles
from .pair import Example

LINE_NEAR = 0.9
"""Lines from this J are near duplicates: one word of about forty differs."""
PROMPT_NEAR = 0.8
"""Prompts from this J are."""
WINDOW_WORDS = 200
"""Of each text of a line."""
WINDOW_CHARS = 300
"""Of a prompt."""
RUN_CHARS = 5


def line_shingles(line: Line) -> Shingles:
    """Returns the pairs of words of all that a line says, but for its system prompts.

    Those, its side and whatever is beyond the windows must be equal: they are part of each shingle.
    """
    must_agree: list[str] = [line.form]
    found: list[str] = []
    for name, side in (("positive", line.positive), ("negative", line.negative)):
        if side is None:
            continue
        must_agree += [name, *(fold_case(m.content) for m in side.prompt if m.role == "system")]
        for text in _texts(side):
            words = split_words(fold_case(text)) or [fold_case(text)]
            found += _neighbours(words[:WINDOW_WORDS])
            must_agree.append(" ".join(words[WINDOW_WORDS:]))
    mark = _mark(must_agree)
    return frozenset(f"{mark}{shingle}" for shingle in found)


def prompt_shingles(example: Example) -> Shingles:
    """Returns the runs of characters of what is asked; what is beyond the window must be equal."""
    text = " ".join(split_words(asked(example))) or asked(example)
    head, rest = text[:WINDOW_CHARS], text[WINDOW_CHARS:]
    mark = _mark([rest])
    runs = range(max(1, len(head) - RUN_CHARS + 1))
    return frozenset(f"{mark}{head[i : i + RUN_CHARS]}" for i in runs)


def _texts(side: Example) -> Iterator[str]:
    yield from (m.content for m in side.prompt if m.role != "system")
    if side.answer is not None:
        yield side.answer


def _neighbours(words: list[str]) -> Iterator[str]:
    return (f"{a} {b}" for a, b in zip(["", *words], [*words, ""], strict=True))


def _mark(texts: Iterable[str]) -> str:
    return hashlib.blake2s("\0".join(texts).encode(), digest_size=6).hexdigest()
