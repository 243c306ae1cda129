"""One verdict of several: of calls to one judge, or of judges with one scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import assert_never

from ..errors import CallerError
from .contract import Judge, Judgeable, Measure, Verdict
from .rubric import Ballot


def decide(votes: Sequence[float | None], how: Ballot) -> Verdict:
    """Returns what the votes come to; None where half of them or more say nothing, or on a tie.

    `median`: the middle one, or the mean of both. `majority`: what more than half of those that
    say something say.
    """
    given = [vote for vote in votes if vote is not None]
    if 2 * len(given) <= len(votes):
        return Verdict(None, f"{len(given)} of {len(votes)} votes say something")
    said = ", ".join("none" if vote is None else f"{vote:g}" for vote in votes)
    why = f"votes {said}" if len(votes) > 1 else ""
    match how:
        case "median":
            return Verdict(float(median(given)), why)
        case "majority":
            value, count = Counter(given).most_common(1)[0]
            if 2 * count <= len(given):
                return Verdict(None, f"no majority: {why}")
            return Verdict(value, why)
        case _:
            assert_never(how)


class Vote:
    """`Judge` by several judges that have the same scale."""

    def __init__(self, judges: Sequence[Judge], how: Ballot, name: str = "vote") -> None:
        """Raises `CallerError(judges_incomparable)` unless they mean the same by their numbers."""
        scales = {(each.measure.better, each.measure.low, each.measure.high) for each in judges}
        if len(scales) != 1:
            raise CallerError(
                f"vote of {len(judges)} judges with {len(scales)} scales; let only judges vote "
                "that have one scale and agree on which way is good",
                code="judges_incomparable",
            )
        self._judges, self._how = tuple(judges), how
        one = judges[0].measure
        self.measure = Measure(name, one.better, one.low, one.high, one.unit)

    def judge(self, items: Sequence[Judgeable]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index, verdict) once the last judge has said what it says."""
        votes: list[list[float | None]] = [[None] * len(self._judges) for _ in items]
        for column, judge in enumerate(self._judges):
            for index, verdict in judge.judge(items):
                votes[index][column] = verdict.value
                if column == len(self._judges) - 1:
                    yield index, decide(votes[index], self._how)
