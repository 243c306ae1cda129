"""Whether an answer is in a loop: at its end, within it, or in most of it. Linear in its length.

    runs       one unit many times running, or one character
    end        the last block of units several times running
    sentences  one sentence three times running, or making up half of many
    share      the share of units that end an n-gram which was there twice before

Songs have refrains, tables and code have equal words, laughter has equal letters: what counts as a
loop goes beyond these. Bounds were chosen on labelled texts (`steersman_demo.quality`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from .units import Units

RUN_WORDS, RUN_CHARACTERS, RUN_LINES = 6, 16, 12
"""Of a word, of a character of a script without spaces, of a line of a table or of code."""
MAX_PERIOD = 150
"""Units in the longest block that is looked for at the end."""
SHORT_PERIOD = 4
"""Blocks of so few single characters must be there as often as makes `RUN_CHARACTERS`."""
NGRAM, NGRAM_SHARE, NGRAM_UNITS = 6, 0.3, 40
"""Units of an n-gram; share from which; units that a text needs before shares mean anything."""
RUN_OF_ONE_CHARACTER, HALF_RUN, RUN_OF_RULER = 60, 30, 400
TIMES_OF_CHARACTERS, LENGTH_OF_CHARACTERS = 8, 180
"""How often a block of characters must be there at the end, and how much of the text that is."""
SENTENCE_WORDS, LONG_SENTENCE_WORDS = 3, 9
SENTENCE_BYTES = 24
"""Of a sentence without spaces, to count as one: eight Han characters."""
_AROUND = " \t\r*-•>\"'“”"
_RULERS = frozenset("-=_.*#~+─═━│|·•…0123456789")
_ONE_CHARACTER = re.compile(r"(\S)\1{59,}")
_ONE_UNIT = re.compile(r"(.)\1{5,}")
_SENTENCE = re.compile(r"[.!?。！？…]+[\s\"'”’»)]*|\n")  # noqa: RUF001
_LETTERS = re.compile(r"[^\W\d_]")


def repeats(text: str, units: Units) -> bool:
    """Returns whether the text, or window of a text, is in a loop."""
    return (
        run_of_characters(text)
        or run_of_units(units)
        or loop_at_end(units.code, units) > 0
        or loop_of_characters(text)
        or ngram_share(units.code) >= NGRAM_SHARE
        or sentences_repeat(units.prose)
    )


def run_of_characters(text: str) -> bool:
    """Returns whether one character stands there so often running that it is no ruler."""
    # In a run of 60 there is a stretch of 30 that begins at a multiple of 30.
    begins = range(0, len(text) - HALF_RUN + 1, HALF_RUN)
    if not any(text[at : at + HALF_RUN] == text[at] * HALF_RUN for at in begins):
        return False
    for match in _ONE_CHARACTER.finditer(text):
        length = match.end() - match.start()
        if length >= (RUN_OF_RULER if match[1] in _RULERS else RUN_OF_ONE_CHARACTER):
            return True
    return False


def loop_of_characters(text: str) -> bool:
    """Returns whether the text ends with a block of characters that has a letter, many times over.

    For what units do not show: a line of JSON that never ends, syllables without spaces.
    """
    for period in _periods(text, min(MAX_PERIOD, len(text) // TIMES_OF_CHARACTERS)):
        if period == 1:
            continue
        length = max(period * TIMES_OF_CHARACTERS, LENGTH_OF_CHARACTERS)
        stretch = text[-length:]
        if len(stretch) == length and stretch[period:] == stretch[:-period]:
            return _LETTERS.search(stretch[-period:]) is not None
    return False


def run_of_units(units: Units) -> bool:
    """Returns whether one unit with a letter stands there too often running."""
    return any(
        match.end() - match.start() >= _longest_run(units.name(match[1]))
        for match in _ONE_UNIT.finditer(units.code)
    )


def _longest_run(unit: str) -> int:
    """Returns how often a unit must stand there running to be a loop."""
    if not _LETTERS.search(unit):
        return 10**9
    if len(unit) == 1:
        return RUN_CHARACTERS
    return RUN_WORDS if unit.isalnum() else RUN_LINES


def times_for(period: int) -> int:
    """Returns how often a block of that many units must stand at the end to be a loop."""
    return 6 if period == 1 else 5 if period == 2 else 4 if period < 8 else 3


def loop_at_end(code: str, units: Units | None = None) -> int:
    """Returns the length of the block that the text ends with again and again; 0 without one.

    A half block after the last whole one is looked past, and blocks without a letter do not count.
    """
    for period in _periods(code, min(MAX_PERIOD, len(code) // 3)):
        times = times_for(period)
        # Where the end stands within a block does not matter: a stretch of equal period does.
        stretch = code[-period * times :]
        if len(stretch) == period * times and stretch[period:] == stretch[:-period]:
            if units is None:
                return period
            block = stretch[-period:]
            if period == 1 and times < _longest_run(units.name(block)):
                continue
            if (
                period <= SHORT_PERIOD
                and _characters(units, block)
                and not (code.endswith(block * (RUN_CHARACTERS // period)))
            ):
                continue  # laughter and the like
            if any(_LETTERS.search(units.name(char)) for char in block):
                return period
    return 0


def _periods(code: str, longest: int) -> Iterator[int]:
    """Yields, in rising order, how far back the last two units stand once more."""
    if longest < 1:
        return
    end, at = code[-2:], len(code) - 2
    while (at := code.rfind(end, max(0, len(code) - 2 - longest), at + 1)) >= 0:
        yield len(code) - 2 - at


def _characters(units: Units, block: str) -> bool:
    return all(len(units.name(char)) == 1 for char in block)


def loop_at_end_reference(code: str) -> int:
    """The same without regard to letters, one unit at a time."""
    for period in range(1, min(MAX_PERIOD, len(code) // 3) + 1):
        needed = period * times_for(period)
        if needed > len(code):
            continue
        end = len(code)
        if all(code[i] == code[i - period] for i in range(end - needed + period, end)):
            return period
    return 0


def ngram_share(code: str) -> float:
    """Returns the share of units that end an n-gram which was there at least twice before."""
    if len(code) < NGRAM_UNITS:
        return 0.0
    counts = Counter([code[i : i + NGRAM] for i in range(len(code) - NGRAM + 1)])
    return sum(count - 2 for count in counts.values() if count > 2) / len(code)


def ngram_share_reference(code: str) -> float:
    """The same, each n-gram compared with all before it."""
    if len(code) < NGRAM_UNITS:
        return 0.0
    grams = [code[i : i + NGRAM] for i in range(len(code) - NGRAM + 1)]
    again = sum(grams[:i].count(gram) >= 2 for i, gram in enumerate(grams))
    return again / len(code)


def sentences_repeat(prose: str) -> bool:
    """Returns whether one sentence stands thrice running, a long one twice, or half of many do."""
    counted: Counter[str] = Counter()
    before, running = "", 1
    for line in prose.split("\n"):
        first = True
        for part in _SENTENCE.split(line):
            sentence = part.strip(_AROUND).casefold()
            words = sentence.count(" ") + 1
            if words < SENTENCE_WORDS and len(sentence.encode()) < SENTENCE_BYTES:
                continue
            counted[sentence] += 1
            running = running + 1 if sentence == before else 1
            # Verse may say a line twice; nobody says a long sentence twice in one line.
            if running >= 3 or (running == 2 and not first and words >= LONG_SENTENCE_WORDS):
                return True
            before, first = sentence, False
    return max(counted.values(), default=0) >= max(4, counted.total() / 2)
