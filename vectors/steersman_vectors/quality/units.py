"""A text as units that can repeat: words; characters where a script has no spaces; lines of tables.

Tables, code and JSON repeat words lawfully, so each of their lines is one unit. Every distinct unit
becomes one character, so that looking for repetition is string work, which Python does fast.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNSPACED = (
    "\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
)
"""Han, kana, Thai, Lao, Burmese, Khmer."""
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:['’][^\W_{_UNSPACED}]+)*")
_MARKS = re.compile(r"[{}\[\]()<>=|\\/_;\"`@#$%^&*+~:]")
_FENCE = ("```", "~~~")
_OPENING, _CLOSING = ("{", "[", "<", "|"), ("{", "}", "];", "},", "],", ";")
MARKS_SHARE = 0.12
"""A line with more marks than that is code or data."""
FIRST = 0x100000
"""Code point of the first distinct unit: a private-use plane, with room for 65,533."""


def split_words(text: str) -> list[str]:
    """Returns the words of a text; of scripts without spaces the characters."""
    return _UNIT.findall(text)


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a text, in order."""

    code: str
    """One character per unit, the same for the same unit."""
    names: tuple[str, ...]
    """The distinct units; `names[ord(code[i]) - FIRST]` is unit i."""
    prose: str
    """The lines that are neither table, code nor JSON."""
    structured: int
    """Lines that are."""

    def name(self, char: str) -> str:
        """Returns the unit that a character of `code` stands for."""
        return self.names[ord(char) - FIRST]


def units_of(text: str) -> Units:
    """Returns the units of a text of at most 65,533 characters."""
    known = _Known()
    code: list[str] = []
    prose: list[str] = []
    fenced, structured = False, 0
    for line in text.split("\n"):
        bare = line.strip()
        if bare.startswith(_FENCE):
            fenced = not fenced
            structured += 1
        elif fenced or is_structured(line, bare):
            structured += 1
            if bare:
                code.append(known[bare])
        else:
            prose.append(line)
            code.extend(map(known.__getitem__, _UNIT.findall(bare.casefold())))
    return Units("".join(code), tuple(known), "\n".join(prose), structured)


class _Known(dict[str, str]):
    """Unit to its character; gives new units theirs."""

    def __missing__(self, unit: str) -> str:
        char = self[unit] = chr(FIRST + len(self))
        return char


def is_structured(line: str, bare: str) -> bool:
    """Returns whether a line is of a table, of code or of JSON."""
    if "\t" in line or bare.count(" | ") >= 2 or (line.startswith("    ") and bare):
        return True
    if bare.startswith(_OPENING) or bare.endswith(_CLOSING):
        return True
    return len(_MARKS.findall(bare)) > MARKS_SHARE * len(bare)
