"""How much of an answer is words of a list: hits per 100 words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from .by_text import ByText
from .contract import Better, Judgeable, Measure, Verdict
from .word_list import Phrase, WordList
from .words import words_of

PER_WORDS = 100
_WORDS_KEPT = 1 << 16


def keyword_judge(words: WordList, name: str, better: Better = "higher") -> ByText:
    """Returns the judge of a list's density; name: as in `keywords:NAME`."""
    count = Counter(words)

    def say(item: Judgeable) -> Verdict:
        given = words_of(item.answer.text)
        if not given:
            return Verdict(None, "the answer has no words")
        hits = count(given)
        return Verdict(PER_WORDS * hits / len(given), f"{hits} of {len(given)} words")

    return ByText(Measure(f"keywords:{name}", better, 0, PER_WORDS, "per 100 words"), say)


class Counter:
    """Counts the places of a text at which a phrase of the list begins.

    A place counts once, whatever begins there, and never within an exempt phrase.
    """

    def __init__(self, words: WordList) -> None:
        self._wanted, self._exempt = words.wanted, words.exempt
        # An answer repeats its words, and so do all answers of a sweep.
        self._starting = lru_cache(_WORDS_KEPT)(self._phrases_that_start_with)

    def __call__(self, given: Sequence[str]) -> int:
        """Returns the hits among folded words."""
        hits, exempt_until = 0, 0
        for at, word in enumerate(given):
            wanted, exempt = self._starting(word)
            for phrase in exempt:
                if _stands(phrase, given, at):
                    exempt_until = max(exempt_until, at + len(phrase))
            if at >= exempt_until:
                hits += any(_stands(phrase, given, at) for phrase in wanted)
        return hits

    def _phrases_that_start_with(self, word: str) -> tuple[tuple[Phrase, ...], tuple[Phrase, ...]]:
        wanted = tuple(phrase for phrase in self._wanted if phrase[0].matches(word))
        return wanted, tuple(phrase for phrase in self._exempt if phrase[0].matches(word))


def hits_reference(words: WordList, given: Sequence[str]) -> int:
    """The same, every phrase at every place."""
    covered = {
        at + offset
        for at in range(len(given))
        for phrase in words.exempt
        if _stands(phrase, given, at)
        for offset in range(len(phrase))
    }
    return sum(
        any(_stands(phrase, given, at) for phrase in words.wanted)
        for at in range(len(given))
        if at not in covered
    )


def _stands(phrase: Phrase, given: Sequence[str], at: int) -> bool:
    return at + len(phrase) <= len(given) and all(
        pattern.matches(given[at + offset]) for offset, pattern in enumerate(phrase)
    )
