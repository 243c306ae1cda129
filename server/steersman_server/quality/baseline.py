"""How likely a tenant's unsteered answers are on average: what steered ones are compared with."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

NEEDED = 20
"""Unsteered answers before there is a baseline."""
WEIGHT = 0.02
"""Of the newest answer, once there are 50; until then all weigh the same."""
MAX_TENANTS = 1000
"""Beyond that the tenant that was not heard of for longest is forgotten."""


@dataclass(slots=True)
class _Mean:
    value: float = 0.0
    count: int = 0


class Baselines:
    """Of each tenant the exponentially weighted mean of its answers' nats per token.

    Nats per token: the mean negative log-likelihood of an answer.
    """

    def __init__(self) -> None:
        self._means: OrderedDict[str, _Mean] = OrderedDict()

    def note(self, tenant: str, nll: float) -> None:
        """Takes one unsteered answer in: mean += max(1 / count, WEIGHT) * (new - mean)."""
        mean = self._means.setdefault(tenant, _Mean())
        self._means.move_to_end(tenant)
        mean.count += 1
        mean.value += max(1.0 / mean.count, WEIGHT) * (nll - mean.value)
        if len(self._means) > MAX_TENANTS:
            self._means.popitem(last=False)

    def of(self, tenant: str) -> float | None:
        """Returns the tenant's baseline; None as long as too few unsteered answers were seen."""
        mean = self._means.get(tenant)
        return None if mean is None or mean.count < NEEDED else mean.value


def weighted_mean_reference(values: list[float]) -> float:
    """Returns what `Baselines` keeps, with the weight of every value written out."""
    steps = [max(1.0 / count, WEIGHT) for count in range(1, len(values) + 1)]
    total = 0.0
    for index, value in enumerate(values):
        weight = steps[index]
        for later in steps[index + 1 :]:
            weight *= 1.0 - later
        total += weight * value
    return total
