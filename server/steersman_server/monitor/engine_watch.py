"""The workers' counts and state, asked for every few seconds and told at `/metrics`.

One API process asks, the first that lives; when it ends the next one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from steersman_vectors.errors import OperatorError
from steersman_vectors.worker_counters import COUNTERS_KEY, WorkerCounters

from ..readout.keeper import ReadoutKeeper
from .catalogue import (
    ENGINE_ERRORS,
    LOAD_SECONDS,
    LOADS,
    RESIDENT,
    RESIDENT_BYTES,
    ROWS,
    ROWS_HIGH,
    ROWS_IN_USE,
    SELF_TEST,
    STEP_SECONDS,
    STEPS,
    TOKENS,
    TONE_TOKENS,
    TONE_UNITS,
    TRACKED,
    WORKERS,
)
from .counted import CountedSoFar

EVERY_S = 5.0
NOT_STEERING = frozenset({"self_test_failed", "steering_not_enabled"})
"""Answers of workers that run and do not steer as they did at the start."""
GAUGES = {
    RESIDENT: "resident_vectors",
    RESIDENT_BYTES: "resident_bytes",
    ROWS: "rows",
    ROWS_IN_USE: "rows_in_use",
    ROWS_HIGH: "rows_high_water",
    TRACKED: "tracked_requests",
}

Ask = Callable[[], Awaitable[list[dict[str, Any]]]]
"""Returns what each worker says; raises `OperatorError`."""


class EngineWatch:
    """Turns what the workers say into metrics."""

    def __init__(
        self,
        ask: Ask,
        is_first: Callable[[], bool],
        counted: CountedSoFar,
        readout: ReadoutKeeper | None = None,
    ) -> None:
        self._readout = readout
        self._ask = ask
        self._is_first = is_first
        self._counted = counted

    async def look(self) -> None:
        """Asks, if it is this process that does, and tells what was answered."""
        if not self._is_first():
            return
        try:
            answers = await self._ask()
        except OperatorError as error:
            ENGINE_ERRORS.labels(error.code).inc()
            if error.code in NOT_STEERING:
                SELF_TEST.set(0)
            else:
                WORKERS.set(0)
            return
        SELF_TEST.set(1)
        WORKERS.set(len(answers))
        told = {worker_of(answer["rank"]): answer for answer in answers}
        for worker, answer in told.items():
            for gauge, key in GAUGES.items():
                gauge.labels(worker).set(answer[key])
        totals = {w: WorkerCounters.of(answer[COUNTERS_KEY]) for w, answer in told.items()}
        for worker, grown in (await asyncio.to_thread(self._counted.advance, totals)).items():
            count(worker, grown)
            if self._readout is not None:
                count_tone(worker, grown, [slot.vector for slot in self._readout.attached])
        if self._readout is not None:
            await self._readout.look(answers)


def count(worker: str, grown: WorkerCounters) -> None:
    """Adds what a worker has counted since the last time."""
    STEPS.labels(worker, "unsteered").inc(grown.unsteered_steps)
    STEPS.labels(worker, "routed").inc(grown.routed_steps)
    STEPS.labels(worker, "settled").inc(grown.settled_steps)
    TOKENS.labels(worker).inc(grown.tokens)
    STEP_SECONDS.labels(worker).inc(grown.host_seconds)
    LOADS.labels(worker).inc(grown.loads)
    LOAD_SECONDS.labels(worker).inc(grown.load_seconds)


def count_tone(worker: str, grown: WorkerCounters, vectors: Sequence[str]) -> None:
    """Adds what a worker's read-out has measured since; a worker without one has nothing."""
    of_slots = zip(*[iter(grown.tone)] * 4, strict=True)
    for vector, (tokens_no, tokens_yes, units_no, units_yes) in zip(
        vectors, of_slots, strict=False
    ):
        for steered, tokens, units in (("no", tokens_no, units_no), ("yes", tokens_yes, units_yes)):
            TONE_TOKENS.labels(worker, vector, steered).inc(tokens)
            TONE_UNITS.labels(worker, vector, steered).inc(units)


def worker_of(rank: Mapping[str, int]) -> str:
    """Returns the label of the worker at this place of each kind of parallelism."""
    return f"dp{rank['data_parallel']}-tp{rank['tensor_parallel']}-pp{rank['pipeline_parallel']}"
