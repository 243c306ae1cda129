"""A judge that looks at one answer at a time and needs nothing else: a pure function, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .contract import Judgeable, Measure, Verdict


class ByText:
    """`Judge` by a function of one answer."""

    def __init__(self, measure: Measure, say: Callable[[Judgeable], Verdict]) -> None:
        self.measure = measure
        self._say = say

    def judge(self, items: Sequence[Judgeable]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index, verdict) in order."""
        for index, item in enumerate(items):
            yield index, self._say(item)
