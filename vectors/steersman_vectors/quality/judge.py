"""Everything that is found in one answer, from its text alone. Pure, and bounded in time.

Of long answers the head and the tail are looked at (`window.py`), so that the time does not grow
with them; no regular expression here can backtrack more than a few steps.
"""

from __future__ import annotations

from . import languages, scripts
from .gibberish import is_gibberish
from .judgement import Finding, Judgement
from .refusal import refuses
from .repetition import repeats
from .units import units_of
from .window import prompt_window, windows


def judge(prompt: str, text: str, finish_reason: str | None) -> Judgement:
    """Returns what is wrong with an answer.

    Args:
        prompt: The latest user turn; empty where it is not known, and then no switch is found.
        text: The answer, whole or as far as it came.
        finish_reason: vLLM's: `length` makes it truncated, and an answer that a client or a tool
            call ended (None, `abort`, `tool_calls`) is never empty.
    """
    found: set[Finding] = set()
    if finish_reason == "length":
        found.add("truncated")
    if not text or text.isspace():
        if finish_reason in ("stop", "length"):
            found.add("empty")
        return Judgement(frozenset(found))
    if refuses(text):
        found.add("refusal")
    prompt = prompt_window(prompt)
    prompt_words = languages.words_of(prompt)
    for window in windows(text):
        units = units_of(window)
        if repeats(window, units):
            found.add("repetition")
        words = languages.words_of(units.prose)
        if scripts.switched(prompt, units.prose, words):
            found.add("script_switch")
        elif languages.switched(prompt, prompt_words, words):
            found.add("language_switch")
        if is_gibberish(prompt_words, window, units.prose, words, units.structured):
            found.add("gibberish")
    return Judgement(frozenset(found))
