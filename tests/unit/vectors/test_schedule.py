from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from steersman_vectors.schedule import (
    CONSTANT,
    AnySchedule,
    Exponential,
    Linear,
    Schedule,
    curve_of,
    gate_reference,
    gates,
    is_constant,
)

SCHEDULES = st.one_of(
    st.just(CONSTANT),
    st.builds(Linear, tokens=st.integers(1, 100_000), floor=st.floats(0, 1)),
    st.builds(Exponential, half_life_tokens=st.floats(1e-3, 1e5), floor=st.floats(0, 1)),
)
DISTANCES = st.lists(st.integers(0, 200_000), min_size=1, max_size=50)


def fast(schedule: AnySchedule, d: list[int]) -> np.ndarray:
    curve = curve_of(schedule)
    return gates(curve.slope, curve.floor, curve.rate, np.array(d, dtype=np.int64))


@given(SCHEDULES, DISTANCES)
def test_fast_gates_equal_the_reference(schedule: AnySchedule, d: list[int]) -> None:
    expected = [gate_reference(schedule, one) for one in d]
    np.testing.assert_allclose(fast(schedule, d), expected, atol=1e-7)


@given(st.lists(st.tuples(SCHEDULES, st.integers(0, 200_000)), min_size=1, max_size=20))
def test_a_batch_of_schedules_is_three_arrays(batch: list[tuple[AnySchedule, int]]) -> None:
    curves = [curve_of(schedule) for schedule, _ in batch]
    got = gates(
        np.array([c.slope for c in curves]),
        np.array([c.floor for c in curves]),
        np.array([c.rate for c in curves]),
        np.array([d for _, d in batch], dtype=np.int64),
    )
    assert got.tolist() == [fast(schedule, [d])[0] for schedule, d in batch]


@example(Linear(tokens=103, floor=0.0), 1)
@example(Exponential(half_life_tokens=1.0, floor=1.175494351e-38), 1)
@given(SCHEDULES, st.integers(0, 10**9))
def test_a_settled_gate_never_changes(schedule: AnySchedule, later: int) -> None:
    after = curve_of(schedule).settles_after
    assert fast(schedule, [after])[0] == fast(schedule, [after + later])[0]


@given(SCHEDULES, DISTANCES, st.integers(0, 50))
def test_a_gate_does_not_depend_on_how_a_batch_was_cut(
    schedule: AnySchedule, d: list[int], cut: int
) -> None:
    parts = [fast(schedule, part) for part in (d[:cut], d[cut:])]
    assert np.array_equal(fast(schedule, d), np.concatenate(parts))


@given(SCHEDULES, st.integers(0, 200_000))
def test_gates_start_at_one_fall_and_stay_above_the_floor(schedule: AnySchedule, d: int) -> None:
    assert gate_reference(schedule, 0) == 1.0
    floor = curve_of(schedule).floor
    assert floor <= gate_reference(schedule, d + 1) <= gate_reference(schedule, d) <= 1.0


@given(SCHEDULES)
def test_constant_means_one_everywhere(schedule: AnySchedule) -> None:
    if is_constant(schedule):
        assert gate_reference(schedule, 10**6) == pytest.approx(1.0)


def test_a_half_life_is_half_of_the_way_to_the_floor() -> None:
    gate = fast(Exponential(half_life_tokens=10, floor=0.2), [0, 10, 20, 30])
    np.testing.assert_allclose(gate, [1.0, 0.6, 0.4, 0.3], rtol=1e-6)


def test_one_token_steers_the_header_only() -> None:
    gate = fast(Linear(tokens=1, floor=0.0), [0, 1, 2, 3])
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
        {"kind": "exponential"},
        {"kind": "exponential", "half_life_tokens": 0},
        {"kind": "exponential", "half_life_tokens": 5e-324},  # its gate was NaN at the header
        {"kind": "exponential", "half_life_tokens": "5"},
        {"kind": "exponential", "half_life_tokens": 5, "tokens": 5},
        "linear",
    ],
)
def test_schedules_that_are_refused(wire: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Schedule).validate_python(wire)
