"""Rows: which plan's summed delta lies in which row of device memory. Pure bookkeeping.

The pool is a cache whose keys are plans' terms. Rows that the current step needs are pinned; any
other row may be taken over, least recently assigned first. Nothing has to be freed, so nothing can
leak: a step never holds more distinct plans than `max_num_seqs`, and there are that many rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from steersman_vectors.errors import InternalError
from steersman_vectors.plan import Terms


@dataclass(frozen=True, slots=True)
class Assignment:
    """Row of each key of the step, and the keys whose rows must be written first."""

    row_of: dict[Terms, int]
    to_write: tuple[Terms, ...]


class RowPool:
    """Assigns rows 1..capacity to keys; row 0 is the zero row and never assigned."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._row_of: dict[Terms, int] = {}
        """Least recently assigned first."""
        self._free = list(range(capacity, 0, -1))

    def __len__(self) -> int:
        return len(self._row_of)

    def assign(self, keys: Collection[Terms], in_use: Collection[int] = ()) -> Assignment:
        """Returns rows for keys that the step needs besides the rows that it has in use.

        Raises `InternalError` beyond capacity.
        """
        needed = dict.fromkeys(keys)
        for key in needed:
            if key in self._row_of:
                self._row_of[key] = self._row_of.pop(key)
        to_write = tuple(key for key in needed if key not in self._row_of)
        pinned = {self._row_of[key] for key in needed if key in self._row_of}.union(in_use)
        if len(pinned) + len(to_write) > self.capacity:
            raise InternalError(
                f"{len(pinned) + len(to_write)} distinct plans in one step, but only "
                f"{self.capacity} rows",
                code="row_pool_exhausted",
            )
        for key in to_write:
            row = self._free.pop() if self._free else self._take_over(pinned)
            self._row_of[key] = row
            pinned.add(row)
        return Assignment({key: self._row_of[key] for key in needed}, to_write)

    def forget(self, key: Terms) -> None:
        """Gives the key's row back, for a delta that could not be written."""
        row = self._row_of.pop(key, None)
        if row is not None:
            self._free.append(row)

    def _take_over(self, pinned: Collection[int]) -> int:
        oldest = next(key for key, row in self._row_of.items() if row not in pinned)
        return self._row_of.pop(oldest)
