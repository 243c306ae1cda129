"""Schedules: how the gate of a steered turn develops over its positions.

`d` is the position minus the turn's first steered position, so d = 0 is the header token that
predicts the first content token. Every gate is 1 at d = 0, never rises and never falls below its
floor. `gate_reference` is the definition; `gates` computes it for a whole batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, assert_never

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

HALVINGS = 1075
"""After that many halvings nothing is left of 1 in fp64: its smallest number is 2^-1074."""

Floor = Annotated[float, Field(ge=0.0, le=1.0)]


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Constant(_Schedule):
    """gate(d) = 1."""

    kind: Literal["constant"] = "constant"


class Linear(_Schedule):
    """gate(d) = max(floor, 1 - (1 - floor) * d / tokens).

    `linear(tokens=1, floor=f)` gives 1 on the header position and `f` on every generated one.
    """

    kind: Literal["linear"] = "linear"
    tokens: int = Field(ge=1, le=1_000_000)
    """Positions after which the gate has fallen to `floor`."""
    floor: Floor = 0.0


class Exponential(_Schedule):
    """gate(d) = floor + (1 - floor) * 2 ** (-d / half_life_tokens)."""

    kind: Literal["exponential"] = "exponential"
    half_life_tokens: float = Field(ge=0.001, le=1_000_000)
    """Positions in which the gate falls half of the way that is left to `floor`."""
    floor: Floor = 0.0


AnySchedule = Constant | Linear | Exponential
Schedule = Annotated[AnySchedule, Field(discriminator="kind")]
"""A schedule as it is written in JSON: `{"kind": "linear", "tokens": 200, "floor": 0.2}`."""

CONSTANT = Constant()


def gate_reference(schedule: AnySchedule, d: int) -> float:
    """Returns the gate at distance `d` >= 0 from the turn start; the slow, obvious definition."""
    match schedule:
        case Constant():
            return 1.0
        case Linear(tokens=tokens, floor=floor):
            return max(floor, 1.0 - (1.0 - floor) * d / tokens)
        case Exponential(half_life_tokens=half_life, floor=floor):
            return float(floor + (1.0 - floor) * 0.5 ** (d / half_life))
        case _:
            assert_never(schedule)


@dataclass(frozen=True, slots=True)
class Curve:
    """A schedule as three numbers, the same for every kind, so that a batch is three arrays.

    gate(d) = max(floor, 1 - slope * d) where rate is 0, else floor + (1 - floor) * 2 ** (-rate * d)
    """

    slope: float
    floor: float
    rate: float
    settles_after: int
    """Distance from which the fp32 gate no longer changes."""


def curve_of(schedule: AnySchedule) -> Curve:
    """Returns the schedule as numbers."""
    match schedule:
        case Constant():
            return Curve(slope=0.0, floor=1.0, rate=0.0, settles_after=0)
        case Linear(tokens=tokens, floor=floor):
            # One more than `tokens`: there slope * d may miss 1 - floor by a rounding.
            return Curve((1.0 - floor) / tokens, floor, rate=0.0, settles_after=tokens + 1)
        case Exponential(half_life_tokens=half_life, floor=floor):
            settled = math.ceil(HALVINGS * half_life)
            return Curve(slope=0.0, floor=floor, rate=1.0 / half_life, settles_after=settled)
        case _:
            assert_never(schedule)


def gates(
    slope: Float64Array | float,
    floor: Float64Array | float,
    rate: Float64Array | float,
    d: IntArray,
) -> Float32Array:
    """Returns fp32 gates `[n]` for distances `d [n]`; slope, floor and rate are scalars or `[n]`.

    Computed in fp64 and rounded once, so that a gate does not depend on how a batch was cut.
    """
    wide = np.maximum(1.0 - slope * d.astype(np.float64), floor)
    if isinstance(rate, np.ndarray) or rate:
        falling = floor + (1.0 - np.asarray(floor)) * np.exp2(-rate * d.astype(np.float64))
        wide = np.where(np.asarray(rate) > 0.0, falling, wide)
    return np.asarray(wide, dtype=np.float32)


def is_constant(schedule: AnySchedule) -> bool:
    """Returns whether the gate is 1 at every distance."""
    return isinstance(schedule, Constant) or schedule.floor == 1.0
