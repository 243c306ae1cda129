"""Scales, ticks, labels that keep apart, lines cut at the frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.report.axes import Axis, apart, held, inside, ticks

VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 4))
LINES = st.lists(st.floats(-100, 200).map(lambda y: round(y, 2)), min_size=2, max_size=12).map(
    lambda ys: [(10.0 * index, y) for index, y in enumerate(ys)]
)


@given(VALUES, st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_round_within_and_not_too_many(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)
    assert 1 <= len(found) <= most or span / most < 1e-9 * abs(low)
    slack = 1e-6 * max(span, abs(low))
    assert all(low - slack <= value <= low + span + slack for value in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[0] if len(steps) else 0, atol=1e-6 * max(span, 1e-9))


@given(st.lists(st.floats(0, 200), max_size=8))
def test_labels_keep_apart_and_in_order(wanted: list[float]) -> None:
    placed = apart(wanted, 15.0, 0.0, 200.0)
    inward = sorted(placed)
    assert all(b - a >= 15.0 - 1e-9 for a, b in pairwise(inward))
    assert all(-1e-9 <= place <= 200.0 + 1e-9 for place in placed)
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    assert [placed[index] for index in order] == inward


@given(LINES)
def test_a_line_is_cut_where_it_leaves(line: list[tuple[float, float]]) -> None:
    """Against the line sampled point by point."""
    xs = np.linspace(line[0][0], line[-1][0], 2001)
    truth = np.interp(xs, *np.array(line).T)
    edge = np.array(held(line, 0.0, 100.0))
    assert np.allclose(np.interp(xs, edge[:, 0], edge[:, 1]), np.clip(truth, 0, 100), atol=1e-6)
    covered = np.zeros(len(xs), dtype=bool)
    for piece in inside(line, 0.0, 100.0):
        part = np.array(piece)
        here = (xs >= part[0, 0]) & (xs <= part[-1, 0])
        assert np.allclose(np.interp(xs[here], part[:, 0], part[:, 1]), truth[here], atol=1e-6)
        covered |= here
    assert covered[(truth > 1e-6) & (truth < 100 - 1e-6)].all()
    assert not covered[(truth < -1e-6) | (truth > 100 + 1e-6)].any()


def test_an_axis_holds_what_lies_beyond_it() -> None:
    axis = Axis(0.0, 2.0, 10.0, 110.0)
    assert [axis.at(v) for v in (-1.0, 0.0, 1.0, 2.0, 5.0)] == [10.0, 10.0, 60.0, 110.0, 110.0]
    assert axis.beyond(3.0) == 160.0
