"""Rows: which plan's summed delta lies in which row of device memory. Pure bookkeeping.

The pool is a cache keyed by the plan's terms. Rows that the current step needs are pinned; any
other row may be taken over, least recently used first. Nothing has to be freed, so nothing can
leak: a step never holds more distinct plans than `max_num_seqs`, and there are that many rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from steersman_vectors.errors import InternalError


@dataclass(frozen=True, slots=True)
class Assignment:
    """Row of each key of the step, and the keys whose rows must be written first."""

    row_of: dict[str, int]
    to_write: tuple[str, ...]


class RowPool:
    """Assigns rows 1..capacity to keys; row 0 is the zero row and never assigned."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._row_of: dict[str, int] = {}
        """Least recently used first."""
        self._free = list(range(capacity, 0, -1))

    def __len__(self) -> int:
        return len(self._row_of)

    def assign(self, keys: Collection[str]) -> Assignment:
        """Returns rows for all keys of one step; raises `InternalError` beyond capacity."""
        needed = dict.fromkeys(keys)
        if len(needed) > self.capacity:
            raise InternalError(
                f"{len(needed)} distinct plans in one step, but only {self.capacity} rows",
                code="row_pool_exhausted",
            )
        for key in needed:
            if key in self._row_of:
                self._row_of[key] = self._row_of.pop(key)
        to_write = tuple(key for key in needed if key not in self._row_of)
        for key in to_write:
            self._row_of[key] = self._free.pop() if self._free else self._take_over(needed)
        return Assignment({key: self._row_of[key] for key in needed}, to_write)

    def forget(self, key: str) -> None:
        """Gives the key's row back, for a delta that could not be written."""
        row = self._row_of.pop(key, None)
        if row is not None:
            self._free.append(row)

    def _take_over(self, pinned: dict[str, None]) -> int:
        oldest = next(key for key in self._row_of if key not in pinned)
        return self._row_of.pop(oldest)
