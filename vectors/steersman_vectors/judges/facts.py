"""Whether an answer holds the facts that it should: words and numbers, exactly.

Of each group of `expected` one alternative must stand in the answer, as whole words, whatever the
case. Where the facts have numbers, an answer with a number that is in neither the facts nor the
prompt is wrong: it hedges, or it calculates in the open and must be asked for less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .by_text import ByText
from .contract import Judgeable, Measure, Verdict
from .words import folded

_NUMBER = re.compile(r"(?<!\w)\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?!\d)")
_SPACE = re.compile(r"\s+")


def facts_judge() -> ByText:
    """Returns the judge: 1 for a right answer, 0 for a wrong one."""

    def say(item: Judgeable) -> Verdict:
        if not item.expected:
            return Verdict(None, "nothing is expected of this answer: it has no `expected`")
        wrong = fault(item.answer.text, item.expected, item.prompt)
        return Verdict(0.0 if wrong else 1.0, wrong)

    return ByText(Measure("facts", "higher", 0, 1, "share"), say)


def fault(answer: str, expected: Iterable[Iterable[str]], prompt: str = "") -> str:
    """Returns what is wrong with the facts of an answer; empty if nothing is."""
    text = _comparable(answer)
    groups = [tuple(group) for group in expected]
    for group in groups:
        if not any(says(text, fact) for fact in group):
            return f"does not say {group[0]!r}"
    facts = [fact for group in groups for fact in group]
    known = numbers_of(" ".join(facts))
    if known:
        # Pieces, too: a date or a time is one fact with several numbers.
        more = numbers_of(answer) - known - numbers_of(prompt)
        if more:
            return f"says {min(more)} too"
    return ""


def says(comparable: str, fact: str) -> bool:
    """Returns whether a fact stands in a folded text with nothing of a word or number around it."""
    wanted = _comparable(fact)
    if not wanted:
        return False
    at = comparable.find(wanted)
    while at >= 0:
        if _bounded(comparable, at, at + len(wanted)):
            return True
        at = comparable.find(wanted, at + 1)
    return False


def numbers_of(text: str) -> frozenset[str]:
    """Returns the numbers of a text in one way of writing: `1,000` and `1000.0` are one."""
    return frozenset(_plain(found) for found in _NUMBER.findall(_comparable(text)))


def _comparable(text: str) -> str:
    one_spaced = _SPACE.sub(" ", folded(text)).strip().replace("\u2212", "-")
    return _THOUSANDS.sub(lambda found: found[0].replace(",", ""), one_spaced)


def _plain(number: str) -> str:
    if "," not in number and number.count(".") == 1:
        number = number.rstrip("0").rstrip(".")
    return number.lstrip("0") or "0"


def _bounded(text: str, start: int, end: int) -> bool:
    first, last = text[start], text[end - 1]
    before, after = text[start - 1 : start], text[end : end + 1]
    if first.isalnum() and (before.isalnum() or before == "_"):
        return False
    if last.isalnum() and (after.isalnum() or after == "_"):
        return False
    # A number goes on after a point or a comma, and begins with its sign.
    if first.isdigit() and before in (".", ",", "-") and _joins(text, start):
        return False
    return not (last.isdigit() and after in (".", ",") and text[end + 1 : end + 2].isdigit())


def _joins(text: str, start: int) -> bool:
    """Returns whether the mark before a number belongs to it: `2.5`, `-5`, but not `2-5`, `a.5`."""
    mark, earlier = text[start - 1], text[start - 2 : start - 1] if start > 1 else ""
    if mark in ".,":
        return earlier.isdigit()
    return not earlier.isalnum()
