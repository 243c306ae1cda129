"""Routing: the row and the gate of every token of one step. Pure numpy, no vLLM, no torch.

`route_reference` says what is meant, token by token; `route` does it in one vectorised pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steersman_vectors.plan import SteeringPlan, Terms, clip
from steersman_vectors.schedule import Curve, curve_of, gate_reference, gates

NEVER = np.iinfo(np.int64).max // 2
"""Start of an open turn that a request does not have."""


@dataclass(frozen=True, slots=True)
class Track:
    """One request's plan, flattened for routing."""

    terms: Terms
    open_start: int
    """First position of the turn being generated, or NEVER."""
    closed: tuple[tuple[int, int], ...]
    """Finished turns of the prompt, `[start, end)`, ascending."""
    curve: Curve
    closed_until: int
    """Position behind the finished turns, 0 without any."""
    flat_from: int
    """First position from which its gate no longer changes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The running requests in token order, as columns `[num_reqs]`; made when the batch changes."""

    tracks: Sequence[Track | None]
    """By slot."""
    slots: NDArray[np.int64]
    rows: NDArray[np.int64]
    open_start: NDArray[np.int64]
    slope: NDArray[np.float64]
    floor: NDArray[np.float64]
    rate: NDArray[np.float64] | float
    """0.0 when no schedule of the batch is exponential."""
    closed_until: NDArray[np.int64]
    """Position behind each request's finished turns, 0 without any."""
    flat_from: NDArray[np.int64]
    """Position from which each request's gate no longer changes."""


def track_of(plan: SteeringPlan) -> Track:
    """Returns the plan flattened; its turns are known."""
    turns = plan.turns or ()
    open_start = turns[-1][0] if turns and turns[-1][1] is None else NEVER
    closed = tuple((s, e) for s, e in turns if e is not None)
    curve = curve_of(plan.schedule)
    closed_until = closed[-1][1] if closed else 0
    return Track(
        terms=plan.terms,
        open_start=open_start,
        closed=closed,
        curve=curve,
        closed_until=closed_until,
        flat_from=closed_until if open_start == NEVER else open_start + curve.settles_after,
    )


def route(
    batch: Batch,
    num_computed: NDArray[np.integer],
    num_scheduled: NDArray[np.integer],
    token_row: NDArray[np.int64],
    token_gate: NDArray[np.float32],
) -> int:
    """Writes row `[T]` and gate `[T]` of the step's T tokens and returns T.

    num_computed `[num_reqs]`: position of each request's first token of the step.
    num_scheduled `[num_reqs]`: its tokens in the step; tokens lie in request order.
    """
    computed = num_computed.astype(np.int64)
    if int(num_scheduled.max()) == 1:
        total = len(computed)
        rows, positions, start = batch.rows, computed, batch.open_start
        slope, floor, rate = batch.slope, batch.floor, batch.rate
        first = np.arange(total)
    else:
        ends = num_scheduled.cumsum(dtype=np.int64)
        total = int(ends[-1])
        first = ends - num_scheduled
        of = np.repeat(np.arange(len(computed)), num_scheduled)
        positions = np.arange(total) - first[of] + computed[of]
        rows, start = batch.rows[of], batch.open_start[of]
        slope, floor = batch.slope[of], batch.floor[of]
        rate = batch.rate if isinstance(batch.rate, float) else batch.rate[of]
    distance = positions - start
    is_open = distance >= 0
    token_row[:total] = np.where(is_open, rows, 0)
    gate = gates(slope, floor, rate, np.maximum(distance, 0))
    token_gate[:total] = np.where(is_open, gate, 0.0)
    for i in np.flatnonzero(computed < batch.closed_until):
        _route_closed(batch, i, int(computed[i]), int(num_scheduled[i]), int(first[i]),
                      token_row, token_gate)  # fmt: skip
    return total


def route_settled(
    batch: Batch, token_row: NDArray[np.int64], token_gate: NDArray[np.float32]
) -> int:
    """As `route`, for a decode step in which every request is past its `flat_from`."""
    total = len(batch.rows)
    is_open = batch.open_start < NEVER
    np.multiply(batch.rows, is_open, out=token_row[:total])
    token_gate[:total] = batch.floor * is_open
    return total


def _route_closed(
    batch: Batch,
    i: int,
    computed: int,
    scheduled: int,
    first: int,
    token_row: NDArray[np.int64],
    token_gate: NDArray[np.float32],
) -> None:
    """Writes the tokens of request i that lie in finished turns of its prompt."""
    track = batch.tracks[batch.slots[i]]
    assert track is not None
    curve = track.curve
    for turn_start, begin, stop in clip(track.closed, computed, computed + scheduled):
        where = slice(first + begin - computed, first + stop - computed)
        token_row[where] = batch.rows[i]
        distance = np.arange(begin, stop, dtype=np.int64) - turn_start
        token_gate[where] = gates(curve.slope, curve.floor, curve.rate, distance)


def route_reference(
    plans: Sequence[SteeringPlan | None],
    row_of: dict[Terms, int],
    num_computed: Sequence[int],
    num_scheduled: Sequence[int],
) -> list[tuple[int, float]]:
    """Returns (row, gate) of each token, straight from the definition."""
    out = []
    for plan, computed, scheduled in zip(plans, num_computed, num_scheduled, strict=True):
        for position in range(computed, computed + scheduled):
            row, gate = 0, 0.0
            for start, end in (plan.turns or ()) if plan else ():
                if plan and start <= position and (end is None or position < end):
                    row = row_of[plan.terms]
                    gate = gate_reference(plan.schedule, position - start)
            out.append((row, gate))
    return out
