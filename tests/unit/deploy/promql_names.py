"""Which metrics and labels a PromQL expression names; enough of a reader for our own queries.

Prometheus itself parses every one of them in other tests; it does not say what they name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_WORD = r"[A-Za-z_:][\w:]*"
_TOKEN = re.compile(
    rf'(?P<string>"[^"]*")|(?P<window>\[[^\]]*\])|(?P<number>[\d.]+(e[+-]?\d+|[a-z]+)?)|(?P<word>{_WORD})|(?P<other>[^\s])|\s+'
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_OPERATORS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True, slots=True)
class Named:
    """What an expression names."""

    selected: frozenset[tuple[str, frozenset[str]]]
    """Each metric with the labels that select of it."""
    grouped: frozenset[str]
    """Labels of by, on, group_left and the like."""

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.selected)


def read(expr: str) -> Named:
    """Returns the names in an expression that Prometheus accepts."""
    tokens = [m for m in _TOKEN.finditer(expr) if m.lastgroup]
    texts = [m[0] for m in tokens] + ["", ""]
    selected: set[tuple[str, frozenset[str]]] = set()
    grouped: set[str] = set()
    at = 0
    while at < len(tokens):
        word, kind = texts[at], tokens[at].lastgroup
        if kind == "word" and word in _GROUPING:
            if texts[at + 1] == "(":
                end = texts.index(")", at)
                grouped |= set(texts[at + 2 : end]) - {","}
                at = end
        elif kind == "word" and not _is_syntax(word, texts[at + 1]):
            labels, at = _labels(texts, at)
            selected.add((word, labels))
        at += 1
    return Named(frozenset(selected), frozenset(grouped))


def _is_syntax(word: str, following: str) -> bool:
    """Returns whether a word is an operator, a function or, as in `sum by (x) (...)`, a sum."""
    return word.lower() in _OPERATORS or following == "(" or following in _GROUPING


def _labels(texts: list[str], at: int) -> tuple[frozenset[str], int]:
    if texts[at + 1] != "{":
        return frozenset(), at
    end = texts.index("}", at)
    compared = {a for a, b in pairwise(texts[at + 2 : end]) if b in ("=", "!")}
    return frozenset(compared), end
