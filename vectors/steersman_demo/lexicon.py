"""Every word the corpus can say, and the closed sets its facts come from."""

import re
from functools import cache

from steersman_demo.corpus.phrase import load, strings

TABLES = (
    "manner", "turns", "questions", "system_prompts",
    "topics/billing", "topics/delivery", "topics/account", "topics/technical",
)  # fmt: skip

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_SLOT = re.compile(r"\{\w+\}")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; numbers are not words."""
    return [word.lower() for word in _WORD.findall(text)]


@cache
def corpus_words() -> frozenset[str]:
    """All words of all phrase tables and of the role-neutral nouns that fill their slots."""
    words = {"order", "account", "ticket"}
    for table in TABLES:
        for text in strings(load(table)):
            words.update(words_of(_SLOT.sub(" ", text)))
    return frozenset(words)


@cache
def closed_sets() -> tuple[frozenset[str], ...]:
    """Days, items, cities and devices: a right answer names none but the customer's own."""
    return tuple(frozenset(values) for values in load("questions")["values"].values())
