"""How much of a text is looked at: its head and its tail, never more."""

from __future__ import annotations

HEAD_CHARS, TAIL_CHARS = 3000, 1000
TURN_CHARS = HEAD_CHARS + 1 + TAIL_CHARS
"""Of the latest user turn; a newline stands where something was cut out."""
CONTEXT_TURNS, CONTEXT_CHARS = 3, 500
"""Of earlier user turns: how many, and the characters of each."""


def cut(text: str, head: int = HEAD_CHARS, tail: int = TAIL_CHARS) -> str:
    """Returns the text, or its first `head` and last `tail` characters on two lines.

    People ask at the beginning or at the end; what stands between is most often something pasted.
    """
    if len(text) > head + 1 + tail:
        text = f"{text[:head]}\n{text[-tail:]}"
    if text.isascii():
        return text
    return text.encode(errors="replace").decode()  # JSON may hold half of a surrogate pair


def cut_context(text: str) -> str:
    """Returns an earlier turn, bounded in the same way."""
    half = (CONTEXT_CHARS - 1) // 2
    return cut(text, half, half)
