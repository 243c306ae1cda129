"""Whether an answer is in a script that its prompt does not have at all."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from functools import lru_cache

from .asked import asks_for_another
from .languages import switched_to_latin

ENOUGH, ENOUGH_IDEOGRAPHS = 20, 10
"""Letters of the foreign script from which an answer can be in it."""
MAINLY = 0.6
"""Share of its letters."""
END_SHARE, END_LETTERS = 0.25, 40
"""An answer may begin well: its last quarter is looked at alone where it has so many letters."""
PROMPT_LETTERS = 4
"""Letters that a prompt needs, to have a script."""
NAMES_SHARE = 0.3
"""Kana that make a text with Han characters Japanese, as a share of both."""
_RANGES = (
    (0x0041, 0x005A, "latin"), (0x0061, 0x007A, "latin"), (0x00C0, 0x024F, "latin"),
    (0x0370, 0x03FF, "greek"), (0x0400, 0x052F, "cyrillic"), (0x0531, 0x058F, "armenian"),
    (0x0591, 0x05F4, "hebrew"), (0x0600, 0x06FF, "arabic"), (0x0750, 0x077F, "arabic"),
    (0x0900, 0x097F, "devanagari"), (0x0980, 0x09FF, "bengali"), (0x0A00, 0x0A7F, "gurmukhi"),
    (0x0A80, 0x0AFF, "gujarati"), (0x0B00, 0x0B7F, "oriya"), (0x0B80, 0x0BFF, "tamil"),
    (0x0C00, 0x0C7F, "telugu"), (0x0C80, 0x0CFF, "kannada"), (0x0D00, 0x0D7F, "malayalam"),
    (0x0D80, 0x0DFF, "sinhala"), (0x0E01, 0x0E7F, "thai"), (0x0E80, 0x0EFF, "lao"),
    (0x0F00, 0x0FFF, "tibetan"), (0x1000, 0x109F, "burmese"), (0x10A0, 0x10FF, "georgian"),
    (0x1100, 0x11FF, "hangul"), (0x1200, 0x137F, "ethiopic"), (0x1780, 0x17FF, "khmer"),
    (0x1E00, 0x1EFF, "latin"), (0x1F00, 0x1FFF, "greek"), (0x3041, 0x30FF, "kana"),
    (0x31F0, 0x31FF, "kana"), (0x3400, 0x4DBF, "han"), (0x4E00, 0x9FFF, "han"),
    (0xAC00, 0xD7A3, "hangul"), (0xF900, 0xFAFF, "han"), (0xFB50, 0xFDFF, "arabic"),
    (0xFE70, 0xFEFC, "arabic"), (0x20000, 0x3134F, "han"),
)  # fmt: skip
_STARTS = [start for start, _, _ in _RANGES]
_IDEOGRAPHS = frozenset({"han", "kana", "hangul"})


@lru_cache(maxsize=4096)
def script_of(char: str) -> str | None:
    """Returns the script of a letter; None for digits, marks, emoji and scripts not listed."""
    if not char.isalpha():
        return None
    start, end, name = _RANGES[bisect_right(_STARTS, ord(char)) - 1]
    return name if start <= ord(char) <= end else None


def letters_by_script(text: str) -> Counter[str]:
    """Returns how many letters of each script a text has."""
    counted: Counter[str] = Counter()
    for char, count in Counter(text).items():
        script = script_of(char)
        if script is not None:
            counted[script] += count
    return counted


def letters_by_script_reference(text: str) -> Counter[str]:
    """The same, letter by letter, and range by range."""
    return Counter(
        name
        for char in text
        for start, end, name in _RANGES
        if char.isalpha() and start <= ord(char) <= end
    )


def switched(prompt: str, prose: str, words: list[str]) -> bool:
    """Returns whether the prose of an answer, or its end, is in a script foreign to the prompt.

    A prompt without letters, or one that speaks of languages, is no measure. Latin letters alone
    are foreign to no prompt, for they are names, code and units everywhere: the answer's words
    must be plainly of a language (`languages.py`).
    """
    asked = letters_by_script(prompt)
    if asked.total() < PROMPT_LETTERS:
        return False
    if "latin" not in asked and switched_to_latin(prompt, words):
        return True
    if prose.isascii():
        return False
    end = prose[-int(len(prose) * END_SHARE) :]
    whole = _foreign(letters_by_script(prose), asked, 0)
    return (whole or _foreign(letters_by_script(end), asked, END_LETTERS)) and not (
        asks_for_another(prompt)
    )


def _foreign(given: Counter[str], asked: Counter[str], at_least: int) -> bool:
    if not given:
        return False
    script, count = given.most_common(1)[0]
    if script == "latin" or script in asked:
        return False
    if script == "han" and "kana" in asked and given["kana"] >= NAMES_SHARE * count:
        return False  # Japanese, asked for in kana alone
    enough = ENOUGH_IDEOGRAPHS if script in _IDEOGRAPHS else ENOUGH
    return count >= max(enough, at_least) and count >= MAINLY * given.total()
