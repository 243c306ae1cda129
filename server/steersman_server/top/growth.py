"""What happened between two samples: increases of counters, quantiles of histograms. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .sample import Sample

Bucket = tuple[float, float]
"""Upper bound, and how many observations are at most that."""


def increase(before: float | None, now: float) -> float:
    """Returns by how much a counter grew; one that fell began again at 0, as did a new one."""
    return now if before is None or now < before else now - before


def quantile(q: float, buckets: Sequence[Bucket]) -> float | None:
    """Returns the q-quantile, by the rules of Prometheus' `histogram_quantile`; None of nothing.

    Linear within a bucket. The first begins at 0, unless its bound is not above 0: then the bound
    is the answer. What lies in the last, without bound, is said to be at the highest finite one.

    q: from 0 to 1. buckets: by bound, the last of them infinite.
    """
    if len(buckets) < 2 or buckets[-1][0] != math.inf:
        return None
    counts, highest = [], 0.0
    for _, count in buckets:
        highest = max(highest, count)  # scraped between two increments, a bucket may be behind
        counts.append(highest)
    if counts[-1] <= 0:
        return None
    rank = q * counts[-1]
    found = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if found == len(counts) - 1:
        return buckets[-2][0]
    end = buckets[found][0]
    if found == 0 and end <= 0:
        return end
    start, below = (buckets[found - 1][0], counts[found - 1]) if found else (0.0, 0.0)
    inside = counts[found] - below
    return end if inside <= 0 else start + (end - start) * (rank - below) / inside


def mean(buckets: Sequence[Bucket]) -> float | None:
    """Returns the mean of what `quantile` takes a histogram for: even within each bucket.

    Off by half a bucket's width at the most, but for what lies in the last or in a first below 0.
    Prometheus' client gives no exact sum for a histogram that begins below 0.
    """
    if len(buckets) < 2 or buckets[-1][0] != math.inf:
        return None
    total = below = 0.0
    start = 0.0 if buckets[0][0] > 0 else buckets[0][0]
    for bound, count in buckets:
        inside = max(count - below, 0.0)
        total += inside * (start if bound == math.inf else (start + bound) / 2)
        start, below = bound, below + inside
    return total / below if below > 0 else None


@dataclass(frozen=True, slots=True)
class Growth:
    """Two samples of one server, the older first."""

    before: Sample
    now: Sample

    @property
    def seconds(self) -> float:
        """How long it took; never 0."""
        return max(self.now.at - self.before.at, 1e-3)

    def has(self, name: str) -> bool:
        """Returns whether the server has the series, with or without values."""
        return name in self.now.series

    def by(self, name: str, *labels: str, **only: str) -> dict[tuple[str, ...], float]:
        """Returns increases, summed over all labels but these; only: values that others must have.

        What did not grow is there with 0.
        """
        found: dict[tuple[str, ...], float] = {}
        before = self.before.series.get(name, {})
        for key, value in self.now.series.get(name, {}).items():
            label = dict(key)
            if all(label.get(k) == v for k, v in only.items()):
                group = tuple(label.get(each, "") for each in labels)
                found[group] = found.get(group, 0.0) + increase(before.get(key), value)
        return found

    def total(self, name: str, **only: str) -> float | None:
        """Returns the increase of all together; None where the server does not have the series."""
        return sum(self.by(name, **only).values()) if self.has(name) else None

    def rate(self, name: str, **only: str) -> float | None:
        """Returns it per second."""
        total = self.total(name, **only)
        return None if total is None else total / self.seconds

    def buckets(self, histogram: str, *labels: str) -> dict[tuple[str, ...], list[Bucket]]:
        """Returns what was observed in between, summed over all labels but these."""
        found: dict[tuple[str, ...], list[Bucket]] = {}
        for (*group, le), count in self.by(f"{histogram}_bucket", *labels, "le").items():
            found.setdefault(tuple(group), []).append((float(le), count))
        return {group: sorted(buckets) for group, buckets in found.items()}

    def quantile(self, q: float, histogram: str) -> float | None:
        """Returns the q-quantile of what was observed in between."""
        return quantile(q, self.buckets(histogram).get((), []))
