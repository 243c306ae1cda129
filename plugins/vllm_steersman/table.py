"""The running requests as columns: a slot each, so that a step's batch is a few gathers.

Slot 0 stands for every request without a plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from .route import NEVER, Batch, Track

UNKNOWN = -1
"""Row of a request whose delta lies in no row now."""


class Table:
    """One slot per steered request; grows as needed, never shrinks."""

    def __init__(self, capacity: int) -> None:
        self.slot_of: dict[str, int] = {}
        self.tracks: list[Track | None] = [None]
        self._free: list[int] = []
        self._row = np.zeros(1, dtype=np.int64)
        self._open_start = np.full(1, NEVER, dtype=np.int64)
        self._closed_until = np.zeros(1, dtype=np.int64)
        self._flat_from = np.zeros(1, dtype=np.int64)
        self._slope = np.zeros(1)
        self._floor = np.zeros(1)
        self._rate = np.zeros(1)
        self._grow(capacity)

    def __len__(self) -> int:
        return len(self.slot_of)

    def add(self, request_id: str, track: Track) -> None:
        """Gives the request a slot; one that is there already is replaced."""
        self.remove(request_id)
        if not self._free:
            self._grow(len(self._row))
        slot = self._free.pop()
        self.slot_of[request_id] = slot
        self.tracks[slot] = track
        self._row[slot] = UNKNOWN
        self._open_start[slot] = track.open_start
        self._closed_until[slot] = track.closed_until
        self._flat_from[slot] = track.flat_from
        self._slope[slot] = track.curve.slope
        self._floor[slot] = track.curve.floor
        self._rate[slot] = track.curve.rate

    def remove(self, request_id: str) -> bool:
        """Frees the request's slot; returns whether it had one."""
        slot = self.slot_of.pop(request_id, None)
        if slot is None:
            return False
        self.tracks[slot] = None
        self._row[slot] = UNKNOWN
        self._free.append(slot)
        return True

    def slots(self, order: Iterable[str]) -> NDArray[np.int64]:
        """Returns the slot of each request, 0 for those without a plan."""
        return np.fromiter(map(self.slot_of.get, order, repeat(0)), dtype=np.int64)

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the row that each slot's delta lies in, or UNKNOWN."""
        return self._row[slots]

    def rows_in_use(self) -> int:
        """Returns how many distinct rows hold the deltas of the requests in the table."""
        rows = self._row[list(self.slot_of.values())] if self.slot_of else self._row[:0]
        return len(np.unique(rows[rows > 0]))

    def set_row(self, slot: int, row: int) -> None:
        """Notes that the slot's delta lies in `row`."""
        self._row[slot] = row

    def forget_row(self, row: int) -> None:
        """Notes that `row` now holds another delta."""
        self._row[self._row == row] = UNKNOWN

    def batch(self, slots: NDArray[np.int64]) -> Batch:
        """Returns the columns of these slots, in their order."""
        rate = self._rate[slots]
        return Batch(
            tracks=self.tracks,
            slots=slots,
            rows=self._row[slots],
            open_start=self._open_start[slots],
            slope=self._slope[slots],
            floor=self._floor[slots],
            rate=rate if rate.any() else 0.0,
            closed_until=self._closed_until[slots],
            flat_from=self._flat_from[slots],
        )

    def _grow(self, more: int) -> None:
        size = len(self._row)
        self._free += range(size + more - 1, size - 1, -1)
        self.tracks += [None] * more
        for name in (
            "_row",
            "_open_start",
            "_closed_until",
            "_flat_from",
            "_slope",
            "_floor",
            "_rate",
        ):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(more, dtype=column.dtype)]))
