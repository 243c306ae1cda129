"""Labels within bounds: the values that come first have one of their own, the others share one.

Every value of a label is a series that Prometheus keeps; names of tenants, rules, vectors and flags
are as many as operators make. A process has its own first values: with several API processes a name
may be told apart by one of them only.
"""

from __future__ import annotations

from itertools import product
from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

from ..tenants.tenant import OTHER

MAX_SERIES = 5000
"""Of one metric, in one process."""

M = TypeVar("M", bound=MetricWrapperBase)


class BoundedLabel:
    """The values of one label; metrics that share it tell the same values apart."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        """Returns the value, or `other` once there are as many as there may be."""
        if value not in self._known:
            if len(self._known) >= self.most:
                return OTHER
            self._known.add(value)
        return value


class Bounded(Generic[M]):
    """A metric whose labels are within bounds, quick to find the child of a request.

    labels: one for each of the metric's; None where the values are few and ours. Of a closed set,
    given as a tuple, all values get their series with the first of them: the others begin at 0,
    where a rate sees the first that is counted.
    """

    def __init__(
        self, metric: M, *labels: BoundedLabel | tuple[str, ...] | None, most: int = MAX_SERIES
    ) -> None:
        self._metric = metric
        self._labels = labels
        self._most = most
        self._children: dict[tuple[str, ...], M] = {}
        """Of values that have a label of their own."""

    def of(self, *values: str) -> M:
        """Returns the child that counts for these values."""
        child = self._children.get(values)
        return self._find(values) if child is None else child

    def _find(self, values: tuple[str, ...]) -> M:
        pairs = list(zip(self._labels, values, strict=True))
        if len(self._children) >= self._most:
            shared = [OTHER if isinstance(label, BoundedLabel) else v for label, v in pairs]
            return self._metric.labels(*shared)
        own = [label.of(v) if isinstance(label, BoundedLabel) else v for label, v in pairs]
        choices = [
            label if isinstance(label, tuple) else (v,)
            for label, v in zip(self._labels, own, strict=True)
        ]
        begun = {each: self._metric.labels(*each) for each in product(*choices)}
        if tuple(own) == values:
            self._children |= begun
        return begun[tuple(own)]
