"""Files of keywords: one word, stem or phrase a line.

    # warmth
    sorry
    apolog*        any word that begins so
    *friend*       any word that has it
    thank you      words in a row; a star stands for one whole word among them
    -unhappy*      does not count, though another line would

Stars, not regular expressions: a list from anywhere can neither hang the reader nor surprise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import CallerError
from .words import folded

MAX_BYTES, MAX_LINES, MAX_WORDS = 1 << 20, 20_000, 8
_JOINERS = frozenset("'-")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A word with stars at either end, or in neither."""

    core: str
    open_start: bool = False
    open_end: bool = False

    def matches(self, word: str) -> bool:
        """Returns whether a folded word is meant."""
        match self.open_start, self.open_end:
            case False, False:
                return word == self.core
            case False, True:
                return word.startswith(self.core)
            case True, False:
                return word.endswith(self.core)
            case _:
                return self.core in word


Phrase = tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class WordList:
    """What counts, and what does not though it would."""

    wanted: tuple[Phrase, ...]
    exempt: tuple[Phrase, ...] = ()


def read_word_list(path: Path) -> WordList:
    """Returns the list in a file; raises `CallerError(word_list_invalid)` naming the line."""
    try:
        data = path.read_bytes()[: MAX_BYTES + 1]
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(str(path), f"it cannot be read as UTF-8 text ({error})") from None
    if len(data) > MAX_BYTES:
        raise _invalid(str(path), f"it has more than {MAX_BYTES:,} bytes")
    return parse_word_list(text, str(path))


def parse_word_list(text: str, name: str = "word list") -> WordList:
    """Returns the list that a text is; raises `CallerError(word_list_invalid)`."""
    wanted: list[Phrase] = []
    exempt: list[Phrase] = []
    for number, line in enumerate(text.splitlines()[: MAX_LINES + 1], 1):
        if number > MAX_LINES:
            raise _invalid(name, f"it has more than {MAX_LINES:,} lines")
        bare = line.split("#", 1)[0].strip()
        if not bare:
            continue
        words = bare.removeprefix("-").split()
        if not 1 <= len(words) <= MAX_WORDS:
            raise _invalid(name, f"line {number} has {len(words)} words, expected 1 to {MAX_WORDS}")
        phrase = tuple(_pattern(word, name, number) for word in words)
        if not any(pattern.core for pattern in phrase):
            raise _invalid(name, f"line {number} has stars only")
        (exempt if bare.startswith("-") else wanted).append(phrase)
    if not wanted:
        raise _invalid(name, "it has no words that count")
    return WordList(tuple(wanted), tuple(exempt))


def _pattern(word: str, name: str, number: int) -> Pattern:
    core = folded(word.strip("*"))
    if not all(char.isalnum() or char in _JOINERS for char in core) or (core and "*" in core):
        raise _invalid(
            name,
            f"line {number}: {word[:40]!r} is no word; expected letters, digits, ' and -, with a "
            "star at either end at most",
        )
    return Pattern(core, word.startswith("*"), word.endswith("*"))


def _invalid(name: str, what: str) -> CallerError:
    return CallerError(f"{name}: {what}", code="word_list_invalid", param="judge")
