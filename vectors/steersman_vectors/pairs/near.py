"""Near duplicates: texts of which most shingles are the same, found without comparing all pairs.

    J(a, b) = |a & b| / |a | b| >= threshold

Two sets with such a J share one of their first `|a| - ceil(threshold |a|) + 1` members in any order
that is the same for all (prefix filtering, Chaudhuri et al. 2006). With the rarest first, few sets
have to be compared. Exact, but for `MAX_COMPARED`, which bounds the time for files of one mould.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from zlib import crc32

MAX_COMPARED = 200
"""Sets that one text is compared with at most, those that share its rarest shingles first."""
CELLS = 1 << 20
"""Of the table of frequencies: two shingles in one cell make the order worse, not wrong."""

Shingles = frozenset[str]
Shingle = Callable[[int], Shingles]
"""From the index of a text to its shingles."""
Rank = Callable[[str], tuple[int, str]]
May = Callable[[int, int], bool]
"""Whether two texts count if they are near: (index, index of an earlier one)."""


def jaccard(one: Shingles, other: Shingles) -> float:
    """Returns the share of common members; 0 for empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


class NearIndex:
    """Texts that were seen, by the shingles that they cannot hide."""

    def __init__(self, shingle: Shingle, threshold: float, rank: Rank) -> None:
        self._shingle, self._threshold, self._rank = shingle, threshold, rank
        self._holders: dict[str, list[int]] = {}

    def find(self, index: int, may: May | None = None) -> int | None:
        """Returns a text added before that is near to this one, or None."""
        mine = self._shingle(index)
        return self._find(index, mine, self._prefix(mine), may)

    def _find(self, index: int, mine: Shingles, prefix: list[str], may: May | None) -> int | None:
        compared: set[int] = set()
        for member in prefix:
            for other in self._holders.get(member, ()):
                if other in compared or (may is not None and not may(index, other)):
                    continue
                if jaccard(mine, self._shingle(other)) >= self._threshold:
                    return other
                compared.add(other)
                if len(compared) == MAX_COMPARED:
                    return None
        return None

    def find_or_add(self, index: int) -> int | None:
        """Returns a text added before that is near to this one; adds it if there is none."""
        mine = self._shingle(index)
        prefix = self._prefix(mine)
        other = self._find(index, mine, prefix, None)
        if other is None:
            self._add(index, prefix)
        return other

    def add(self, index: int) -> None:
        """Lets later texts be near to this one."""
        self._add(index, self._prefix(self._shingle(index)))

    def _add(self, index: int, prefix: list[str]) -> None:
        for member in prefix:
            self._holders.setdefault(member, []).append(index)

    def _prefix(self, members: Shingles) -> list[str]:
        length = len(members) - math.ceil(self._threshold * len(members) - 1e-9) + 1
        return sorted(members, key=self._rank)[:length] if members else []


def by_hash(member: str) -> tuple[int, str]:
    """The order for texts that are not all known beforehand."""
    return crc32(member.encode()), member


def by_rarity(shingles: Iterator[Shingles]) -> Rank:
    """Returns the order that puts first what fewest texts have."""
    counts = array("I", bytes(4 * CELLS))
    for members in shingles:
        for member in members:
            counts[_cell(member)] += 1
    return lambda member: (counts[_cell(member)], member)


def _cell(member: str) -> int:
    return crc32(member.encode()) % CELLS


def near_earlier(shingles: Sequence[Shingles], threshold: float) -> list[int | None]:
    """Returns of each text an earlier kept one that it is near to; those without are kept."""
    index = NearIndex(shingles.__getitem__, threshold, by_rarity(iter(shingles)))
    return [index.find_or_add(position) for position in range(len(shingles))]


def near_earlier_reference(shingles: Sequence[Shingles], threshold: float) -> list[bool]:
    """Returns whether each is near to an earlier kept one, by comparing with all of those."""
    kept: list[Shingles] = []
    found = []
    for members in shingles:
        found.append(any(jaccard(members, other) >= threshold for other in kept))
        if not found[-1]:
            kept.append(members)
    return found
