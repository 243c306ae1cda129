"""How many of a tenant's steered answers were degenerate lately. Pure; times are passed in.

An answer counts only if it was decided under what is in force: one bad stretch leads to one step.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SLICES = 60
"""Of a window, each counted as one: what it remembers does not grow with the traffic."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Judged steered answers of a window."""

    answers: int = 0
    degenerate: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force for a tenant, as one process sees it."""

    scale: float
    """Of its alphas; 1 where it is not backed off."""
    revision: int
    """At which this process saw that; answers decided before were decided under something else."""


@dataclass(slots=True)
class _Slice:
    index: int
    answers: int = 0
    degenerate: int = 0


class TenantWindow:
    """One tenant's answers of the last `span_s` seconds, to a sixtieth, since its last step.

    Times are of a monotonic clock, in seconds, and never go back from one call to the next.
    """

    def __init__(self, span_s: float, standing: Standing, changed_at: float) -> None:
        self.span_s = span_s
        self.standing = standing
        self.changed_at = changed_at
        """When the scale changed, in whichever way; minus infinity if it never did."""
        self._slices: deque[_Slice] = deque()

    def follow(self, span_s: float, standing: Standing, now: float) -> None:
        """Takes over what is in force; starts anew where that changes what is counted."""
        if standing.scale != self.standing.scale:
            self.standing, self.changed_at = standing, now
            self._slices.clear()
        if span_s != self.span_s:
            self.span_s = span_s
            self._slices.clear()

    def add(self, now: float, *, scale: float, revision: int, degenerate: bool) -> bool:
        """Counts a judged steered answer; returns whether it counts.

        scale, revision: under which its request was decided.
        """
        if scale != self.standing.scale or revision < self.standing.revision:
            return False
        index = self._index(now)
        if not self._slices or self._slices[-1].index != index:
            self._slices.append(_Slice(index))
            self._forget(index)
        self._slices[-1].answers += 1
        self._slices[-1].degenerate += degenerate
        return True

    def counts(self, now: float) -> Counts:
        """Returns what is in the window now."""
        self._forget(self._index(now))
        return Counts(
            sum(each.answers for each in self._slices),
            sum(each.degenerate for each in self._slices),
        )

    def _index(self, now: float) -> int:
        return int(now * SLICES // self.span_s)

    def _forget(self, newest: int) -> None:
        while self._slices and self._slices[0].index <= newest - SLICES:
            self._slices.popleft()
