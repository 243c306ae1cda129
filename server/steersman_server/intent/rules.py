"""A classifier by words: the first rule that holds gives its label.

Phrases, not regular expressions: Python's can take years over forty characters, and a rule file is
not the place to prove that one cannot. A phrase is words in this order, in any case, with whatever
punctuation between; `*` at a word's end stands for any ending ("refund*", "charge* twice"). Each
rule becomes one expression of literals, whose work is bounded by the turn's characters times its
phrases.
"""

from __future__ import annotations

import re

from .bounds import cut
from .config import Rule, RulesConfig, safety_of
from .contract import Intent
from .user_turn import UserTurn

SOURCE = "rules"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def plain(text: str) -> str:
    """Returns the text's words in lower case, a space before, between and after them."""
    words = _WORD.findall(text.casefold().replace("’", "'"))
    return f" {' '.join(words)} "


class _Compiled:
    """A rule whose phrases are expressions over `plain` text."""

    def __init__(self, rule: Rule) -> None:
        self.label, self.score = rule.label, rule.score
        self.any = _one_of(rule.any) if rule.any else None
        self.all = [_one_of((phrase,)) for phrase in rule.all]
        self.none = _one_of(rule.none) if rule.none else None

    def holds(self, text: str) -> bool:
        if self.any is not None and not self.any.search(text):
            return False
        if self.none is not None and self.none.search(text):
            return False
        return all(each.search(text) for each in self.all)


class RulesClassifier:
    """Looks at the latest turn alone."""

    def __init__(self, config: RulesConfig) -> None:
        self.labels = tuple(dict.fromkeys(rule.label for rule in config.rules))
        self.safety_labels = safety_of(self.labels, config.safety_labels)
        self._rules = [_Compiled(rule) for rule in config.rules]

    async def classify(self, turn: UserTurn) -> Intent:
        """Returns the intent of a turn."""
        return self.judge(turn)

    def judge(self, turn: UserTurn) -> Intent:
        """Returns the intent of a turn, to callers without an event loop too."""
        text = plain(cut(turn.text))
        for rule in self._rules:
            if rule.holds(text):
                return Intent(rule.label, rule.score, rule.label, SOURCE)
        return Intent(None, 0.0, None, SOURCE)

    async def aclose(self) -> None:
        """Does nothing: there is nothing to close."""


def _one_of(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f" (?:{'|'.join(_expression(phrase) for phrase in phrases)}) ")


def _expression(phrase: str) -> str:
    """Returns the expression of a phrase; ValueError for one that could never be found."""
    words = phrase.split()
    for word in words:
        if "*" in word[:-1] or word == "*":
            raise ValueError(f"phrase {phrase!r}: '*' stands at a word's end only, as in 'refund*'")
    parts = []
    for word in words:
        literal = plain(word.removesuffix("*")).strip()
        if not literal:
            raise ValueError(f"phrase {phrase!r}: {word!r} has no letter or digit to look for")
        parts.append(re.escape(literal) + ("[^ ]*" if word.endswith("*") else ""))
    if not parts:
        raise ValueError("a phrase is empty; write the words to look for")
    return " ".join(parts)
