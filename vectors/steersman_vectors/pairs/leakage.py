"""Leakage: what is asked in one split, asked again in another, so that it confirms itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from .duplicates import Numbered
from .finding import Finding, finding
from .identity import asked
from .near import NearIndex, by_rarity
from .pair import Example, Split
from .shingles import PROMPT_NEAR, prompt_shingles

REMEDY = 'give lines that belong together one "group", or drop all but one of them'


def findings(lines: Sequence[Numbered], splits: Sequence[Split]) -> Iterator[Finding]:
    """Yields what leaks between splits; splits: of each line."""
    leaks = list(leaking(lines, splits))
    if leaks:
        first, other = leaks[0]
        yield finding(
            "warning",
            "leakage",
            f"{len(leaks)} of {len(lines)} lines ask nearly what a line of another split asks, "
            f"as lines {first} and {other} do",
            REMEDY,
            [number for number, _ in leaks],
        )


def leaking(lines: Sequence[Numbered], splits: Sequence[Split]) -> Iterator[tuple[int, int]]:
    """Yields (number of a line outside of `train` or after it, number of one it is near to).

    Prompts are near if they share most of their runs of characters (`shingles.py`). A pair with two
    prompts counts by either.
    """
    texts = [(i, side) for i, each in enumerate(lines) for side in _prompts(each)]
    shingle = lru_cache(maxsize=10_000)(lambda at: prompt_shingles(texts[at][1]))
    index = NearIndex(shingle, PROMPT_NEAR, by_rarity(shingle(at) for at in range(len(texts))))
    told: set[int] = set()
    for at in sorted(range(len(texts)), key=lambda at: splits[texts[at][0]] != "train"):
        line = texts[at][0]
        near = index.find(at, lambda a, b: splits[texts[a][0]] != splits[texts[b][0]])
        if near is not None and line not in told:
            told.add(line)
            yield lines[line].number, lines[texts[near][0]].number
        index.add(at)


def _prompts(each: Numbered) -> Iterator[Example]:
    return iter({asked(side): side for side in each.line.sides}.values())
