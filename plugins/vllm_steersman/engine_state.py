"""Steering inside one worker: tracks running requests, keeps rows written, routes each step."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steersman_vectors.plan import EXTRA_ARGS_KEY, SteeringPlan, Terms, decode_plan
from steersman_vectors.worker_counters import WorkerCounters

from .attach import SteeringBuffers
from .capture_sums import CaptureSums
from .counts import StepCounts
from .loading import BackgroundLoader
from .reading import Reading, Step
from .readout import ToneReadout
from .resident import ResidentVectors
from .route import Batch, route, route_settled, track_of
from .rows import RowPool
from .staging import RowWriter, Staging
from .table import UNKNOWN, Table


class EngineState:
    """What a model runner calls: `meet`, `remove`, then `step` before every forward pass."""

    def __init__(
        self,
        buffers: SteeringBuffers,
        resident: ResidentVectors,
        max_requests: int,
        *,
        tone: ToneReadout | None = None,
        capture: CaptureSums | None = None,
    ):
        self.buffers = buffers
        self.resident = resident
        self.loader = BackgroundLoader(resident)
        self.pool = RowPool(max_requests)
        self.high_water = 0
        self.counts = StepCounts()
        self.tone = tone
        self.capture = capture
        readers = [reader for reader in (tone, capture) if reader is not None]
        self.reading = Reading(*readers) if readers else None
        """None in an engine that reads nothing off the residual stream."""
        self._table = Table(max_requests)
        self._order: list[str] = []
        self._batch: Batch | None = None
        self._dirty_tokens = 0
        """Tokens of the last step that were routed; beyond them the device buffers are zero."""
        self._settled = False
        """Whether the device already holds the routing of an unchanged decode batch."""
        self._steered_tokens = 0
        """Tokens of the last routed step with a gate that is not 0; a settled batch keeps them."""
        self._staging = Staging(buffers)
        self._rows = RowWriter(buffers.rows)
        self._token_rows = None if buffers.token_rows is None else RowWriter(buffers.token_rows)

    @property
    def active_requests(self) -> int:
        """Returns how many requests with a plan this worker knows, running or preempted."""
        return len(self._table)

    @property
    def rows_in_use(self) -> int:
        """Returns how many rows hold the delta of a request that this worker knows."""
        return self._table.rows_in_use()

    def counters(self) -> WorkerCounters:
        """Returns what was counted since the engine was attached."""
        tone = () if self.tone is None else self.tone.totals()
        return self.counts.told(self.resident.loads, self.resident.load_ns, tone)

    def read_out(self, slot: int, digest: str | None) -> None:
        """Has a slot of the tone read-out read a vector; nothing where that cannot be.

        That is where it is not resident, or has no direction at the slot's block.
        """
        tone = self.tone
        assert tone is not None
        layer_idx = tone.layers[slot]
        if digest not in self.resident or digest is None:
            tone.set_direction(slot, None, None)
            return
        direction = self.resident.direction(digest, layer_idx)
        absent = direction is None and layer_idx in self.resident.local
        tone.set_direction(slot, None if absent else digest, direction)

    def meet(self, request_id: str, params: Any) -> None:
        """Starts tracking a request whose sampling parameters carry a plan."""
        if self.reading is not None:
            self.reading.meet(request_id, params)
        if params is not None and params.extra_args and EXTRA_ARGS_KEY in params.extra_args:
            started = perf_counter_ns()
            self.add(request_id, decode_plan(params.extra_args[EXTRA_ARGS_KEY]))
            self.counts.host_ns += perf_counter_ns() - started

    def add(self, request_id: str, plan: SteeringPlan) -> None:
        """Starts tracking a request; its turns are bound and its vectors resident."""
        if plan.terms:
            self._table.add(request_id, track_of(plan))
            self._batch = None

    def remove(self, request_ids: Iterable[str]) -> None:
        """Stops tracking finished or aborted requests; unknown ids are fine."""
        if not self._table:
            return
        started = perf_counter_ns()
        for request_id in request_ids:
            if self._table.remove(request_id):
                self._batch = None
        self.counts.host_ns += perf_counter_ns() - started

    def step(
        self,
        order: list[str],
        num_computed: NDArray[np.integer],
        num_scheduled: NDArray[np.integer],
    ) -> None:
        """Routes the step's tokens: request ids in token order, with their positions."""
        started = perf_counter_ns()
        counts = self.counts
        if self.reading is not None:
            self.reading.settle()
        if self._table:
            self._route(order, num_computed, num_scheduled)
        else:
            self.clear()
            counts.unsteered += 1
        counts.host_ns += perf_counter_ns() - started

    def _route(
        self,
        order: list[str],
        num_computed: NDArray[np.integer],
        num_scheduled: NDArray[np.integer],
    ) -> None:
        """As `step`, where some request has a plan."""
        if self._batch is None or order != self._order:
            self._rebatch(order)
        batch = self._batch
        assert batch is not None
        # No gate will change any more: an unchanged batch needs no routing while this holds.
        flat = int(num_scheduled.max()) == 1 and bool((num_computed >= batch.flat_from).all())
        if self._settled and flat:
            self.counts.settled += 1
            self.counts.tokens += self._steered_tokens
            return
        rows, gates = self._staging.begin()
        if flat:
            total = route_settled(batch, rows, gates)
        else:
            total = route(batch, num_computed, num_scheduled, rows, gates)
        self._steered_tokens = int(np.count_nonzero(gates[:total]))
        self.counts.routed += 1
        self.counts.tokens += self._steered_tokens
        rows[total : self._dirty_tokens] = 0
        gates[total : self._dirty_tokens] = 0.0
        self._staging.upload(max(total, self._dirty_tokens))
        self._dirty_tokens = total
        self._settled = flat

    def will_run(self, step: Step) -> None:
        """The routed step is about to run: its tokens will be read; only where something reads."""
        assert self.reading is not None
        started = perf_counter_ns()
        self.reading.begin(step)
        self.counts.host_ns += perf_counter_ns() - started

    def dummy_step(self) -> None:
        """A step of nobody's tokens is about to run: it is neither steered nor read."""
        if self.reading is not None:
            self.reading.settle()
        self.clear()

    def clear(self) -> None:
        """Routes every token to row 0; nothing to do when that is so already."""
        if self._dirty_tokens:
            rows, gates = self._staging.begin()
            rows[: self._dirty_tokens] = 0
            gates[: self._dirty_tokens] = 0.0
            self._staging.upload(self._dirty_tokens)
            self._dirty_tokens = 0
        self._settled = False

    def _rebatch(self, order: list[str]) -> None:
        slots = self._table.slots(order)
        rows = self._table.rows(slots)
        without = rows == UNKNOWN
        if without.any():
            self._assign_rows(slots[without].tolist(), set(rows.tolist()) - {0, UNKNOWN})
        self._batch = self._table.batch(slots)
        self._order = list(order)
        self._settled = False

    def _assign_rows(self, newcomers: list[int], in_use: set[int]) -> None:
        """Gives the plans of these slots rows beside those in use; writes those that are new."""
        tracks = {slot: track for slot in newcomers if (track := self._table.tracks[slot])}
        assignment = self.pool.assign([t.terms for t in tracks.values()], in_use)
        in_use.update(assignment.row_of.values())
        self.high_water = max(self.high_water, len(in_use))
        unwritten = list(assignment.to_write)
        for terms in unwritten:
            self._table.forget_row(assignment.row_of[terms])
        try:
            while unwritten:
                self._write_row(assignment.row_of[unwritten[-1]], unwritten[-1])
                unwritten.pop()
        finally:
            for terms in unwritten:
                self.pool.forget(terms)
        for slot, track in tracks.items():
            self._table.set_row(slot, assignment.row_of[track.terms])

    def _write_row(self, row: int, terms: Terms) -> None:
        self._rows.write(row, self.resident.sum_deltas(terms))
        if self._token_rows is not None:
            self._token_rows.write(row, self.resident.sum_deltas(terms, by_norm=True))
