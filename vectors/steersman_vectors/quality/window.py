"""How much of a text is looked at: its head and its tail, so that the work has a bound."""

from __future__ import annotations

HEAD_CHARS, TAIL_CHARS = 3000, 5000
"""More of the end: a model that gets into a loop stays in it."""
PROMPT_CHARS = 4000


def windows(text: str) -> tuple[str, ...]:
    """Returns the text, or its head and its tail where it is longer than both."""
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return (text,)
    return text[:HEAD_CHARS], text[-TAIL_CHARS:]


def prompt_window(prompt: str) -> str:
    """Returns as much of the prompt as is looked at: half from either end."""
    if len(prompt) <= PROMPT_CHARS:
        return prompt
    return f"{prompt[: PROMPT_CHARS // 2]}\n{prompt[-PROMPT_CHARS // 2 :]}"
