"""What one worker counts as it steers: a few additions per step, none per token.

`steered_tokens_reference` says what is meant by a steered token; `EngineState` counts as it routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import numpy as np

from steersman_vectors.plan import SteeringPlan
from steersman_vectors.worker_counters import WorkerCounters

from .route import route_reference


class StepCounts:
    """Totals of one worker's steps; written by the thread that steps, and by no other."""

    __slots__ = ("host_ns", "routed", "settled", "since", "tokens", "unsteered")

    def __init__(self) -> None:
        self.since = uuid4().hex
        self.unsteered = 0
        self.routed = 0
        self.settled = 0
        self.tokens = 0
        self.host_ns = 0

    def told(self, loads: int, load_ns: int, tone: tuple[float, ...] = ()) -> WorkerCounters:
        """Returns the totals, with those of the vectors and of the read-out."""
        return WorkerCounters(
            since=self.since,
            unsteered_steps=self.unsteered,
            routed_steps=self.routed,
            settled_steps=self.settled,
            tokens=self.tokens,
            host_seconds=self.host_ns / 1e9,
            loads=loads,
            load_seconds=load_ns / 1e9,
            tone=tone,
        )


def steered_tokens_reference(
    plans: Sequence[SteeringPlan | None],
    num_computed: Sequence[int],
    num_scheduled: Sequence[int],
) -> int:
    """Returns how many tokens of a step have a gate that is not 0 in fp32, one by one."""
    rows = {plan.terms: 1 for plan in plans if plan is not None}
    routed = route_reference(plans, rows, num_computed, num_scheduled)
    adds = [bool(plan and plan.terms) for plan in plans]
    owner = [i for i, n in enumerate(num_scheduled) for _ in range(n)]
    return sum(
        adds[i] and bool(np.float32(gate) != 0) for i, (_, gate) in zip(owner, routed, strict=True)
    )
