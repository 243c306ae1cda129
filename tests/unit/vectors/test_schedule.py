from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from steersman_vectors.schedule import (
    CONSTANT,
    Constant,
    Linear,
    Schedule,
    gate_reference,
    gates,
    is_constant,
    slope_and_floor,
)

SCHEDULES = st.just(CONSTANT) | st.builds(
    Linear, tokens=st.integers(1, 100_000), floor=st.floats(0, 1)
)
DISTANCES = st.lists(st.integers(0, 200_000), min_size=1, max_size=50)


@given(SCHEDULES, DISTANCES)
def test_fast_gates_equal_the_reference(schedule: Constant | Linear, d: list[int]) -> None:
    slope, floor = slope_and_floor(schedule)
    expected = [gate_reference(schedule, one) for one in d]
    np.testing.assert_allclose(gates(slope, floor, np.array(d)), expected, atol=1e-7)


@given(SCHEDULES, DISTANCES, st.integers(0, 50))
def test_a_gate_does_not_depend_on_how_a_batch_was_cut(
    schedule: Constant | Linear, d: list[int], cut: int
) -> None:
    slope, floor = slope_and_floor(schedule)
    whole = gates(slope, floor, np.array(d))
    parts = [gates(slope, floor, np.array(part, dtype=np.int64)) for part in (d[:cut], d[cut:])]
    assert np.array_equal(whole, np.concatenate(parts))


@given(SCHEDULES, st.integers(0, 200_000))
def test_gates_start_at_one_fall_and_stay_above_the_floor(
    schedule: Constant | Linear, d: int
) -> None:
    assert gate_reference(schedule, 0) == 1.0
    _, floor = slope_and_floor(schedule)
    assert floor <= gate_reference(schedule, d + 1) <= gate_reference(schedule, d) <= 1.0


@given(SCHEDULES)
def test_constant_means_one_everywhere(schedule: Constant | Linear) -> None:
    if is_constant(schedule):
        assert gate_reference(schedule, 10**6) == pytest.approx(1.0)


def test_one_token_steers_the_header_only() -> None:
    gate = gates(*slope_and_floor(Linear(tokens=1, floor=0.0)), np.arange(4))
    assert gate.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert gate.dtype == np.float32


@pytest.mark.parametrize(
    "wire",
    [
        {"kind": "cosine"},
        {"kind": "linear"},
        {"kind": "linear", "tokens": 0},
        {"kind": "linear", "tokens": 1.5},
        {"kind": "linear", "tokens": 5, "floor": 1.1},
        {"kind": "linear", "tokens": 5, "floor": float("nan")},
        {"kind": "constant", "tokens": 5},
        "linear",
    ],
)
def test_schedules_that_are_refused(wire: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Schedule).validate_python(wire)
