"""Schedules: how the gate of a steered turn develops over its positions.

`d` is the position minus the turn's first steered position, so d = 0 is the header token that
predicts the first content token.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Constant(BaseModel):
    """gate(d) = 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    kind: Literal["constant"] = "constant"


class Linear(BaseModel):
    """gate(d) = max(floor, 1 - (1 - floor) * d / tokens).

    `linear(tokens=1, floor=f)` gives 1 on the header position and `f` on every generated one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    kind: Literal["linear"] = "linear"
    tokens: int = Field(ge=1, le=1_000_000)
    """Positions after which the gate has fallen to `floor`."""
    floor: float = Field(ge=0.0, le=1.0, default=0.0)
    """What the gate never falls below."""


Schedule = Annotated[Constant | Linear, Field(discriminator="kind")]

CONSTANT = Constant()


def gate_reference(schedule: Constant | Linear, d: int) -> float:
    """Returns the gate at distance `d` >= 0 from the turn start; the slow, obvious definition."""
    if isinstance(schedule, Constant):
        return 1.0
    return max(schedule.floor, 1.0 - (1.0 - schedule.floor) * d / schedule.tokens)


def slope_and_floor(schedule: Constant | Linear) -> tuple[float, float]:
    """Returns `(slope, floor)` with gate(d) = max(floor, 1 - slope * d) for every schedule kind."""
    if isinstance(schedule, Constant):
        return 0.0, 1.0
    return (1.0 - schedule.floor) / schedule.tokens, schedule.floor


def gates(slope: Float64Array | float, floor: Float64Array | float, d: IntArray) -> Float32Array:
    """Returns fp32 gates `[n]` for distances `d [n]`; `slope` and `floor` are scalars or `[n]`.

    Computed in fp64 and rounded once, so that a gate does not depend on how a batch was cut.
    """
    wide = 1.0 - np.asarray(slope, dtype=np.float64) * d
    return np.maximum(wide, np.asarray(floor, dtype=np.float64)).astype(np.float32)


def is_constant(schedule: Constant | Linear) -> bool:
    """Returns whether the gate is 1 at every distance."""
    slope, floor = slope_and_floor(schedule)
    return slope == 0.0 or math.isclose(floor, 1.0)
