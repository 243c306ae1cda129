"""Lines that say again what an earlier one says: the first is kept, the order too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..extract.contract import Progress
from .identity import folded_key
from .line import Line
from .near import NearIndex, by_rarity
from .shingles import LINE_NEAR, line_shingles


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line and where it stands."""

    number: int
    """From 1."""
    line: Line


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line that says again what an earlier one says."""

    number: int
    same_as: int
    """The number of the line that was kept."""
    how: Literal["exact", "near"]


def without_exact(found: list[Numbered]) -> tuple[list[Numbered], list[Dropped]]:
    """Returns the lines without those that differ in white space and NFKC alone, and those."""
    kept: list[Numbered] = []
    dropped: list[Dropped] = []
    first: dict[bytes, int] = {}
    for each in found:
        same_as = first.setdefault(folded_key(each.line), each.number)
        if same_as == each.number:
            kept.append(each)
        else:
            dropped.append(Dropped(each.number, same_as, "exact"))
    return kept, dropped


def without_near(
    found: list[Numbered], progress: Progress | None = None
) -> tuple[list[Numbered], list[Dropped]]:
    """Returns the lines without those that are near to one kept before, and those."""
    shingle = lru_cache(maxsize=10_000)(lambda index: line_shingles(found[index].line))
    rank = by_rarity(shingle(index) for index in range(len(found)))
    index = NearIndex(shingle, LINE_NEAR, rank)
    kept: list[Numbered] = []
    dropped: list[Dropped] = []
    for position, each in enumerate(found):
        if progress is not None and position % 1000 == 0:
            progress(position, len(found))
        other = index.find_or_add(position)
        if other is None:
            kept.append(each)
        else:
            dropped.append(Dropped(each.number, found[other].number, "near"))
    return kept, dropped
