"""Routing: the vectorised pass against the definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.plans import plans
from vllm_steersman.route import route, route_reference, track_of
from vllm_steersman.table import Table

requests = st.lists(
    st.tuples(st.none() | plans(), st.integers(0, 60), st.integers(1, 40)), min_size=1, max_size=6
)


def run(batch):
    keys = dict.fromkeys(p.terms for p, _, _ in batch if p is not None)
    row_of = {key: i + 1 for i, key in enumerate(keys)}
    table = Table(1)  # grows
    for i, (plan, _, _) in enumerate(batch):
        if plan is not None:
            table.add(str(i), track_of(plan))
            table.set_row(table.slot_of[str(i)], row_of[plan.terms])
    computed = [c for _, c, _ in batch]
    scheduled = [s for _, _, s in batch]
    rows = np.full(512, -1, dtype=np.int64)
    gates = np.full(512, np.nan, dtype=np.float32)
    total = route(
        table.batch(table.slots(map(str, range(len(batch))))), np.array(computed, np.int32),
        np.array(scheduled, np.int32), rows, gates,
    )  # fmt: skip
    expected = route_reference([p for p, _, _ in batch], row_of, computed, scheduled)
    return total, rows, gates, expected


@given(requests)
def test_route_equals_the_reference(batch):
    total, rows, gates, expected = run(batch)
    assert total == len(expected)
    assert rows[:total].tolist() == [row for row, _ in expected]
    np.testing.assert_allclose(gates[:total], [gate for _, gate in expected], atol=1e-6)
    assert (rows[total:] == -1).all()


@given(st.lists(st.tuples(st.none() | plans(), st.integers(0, 200)), min_size=1, max_size=8))
def test_decode_steps_take_the_same_route(batch):
    total, rows, gates, expected = run([(p, c, 1) for p, c in batch])
    assert total == len(batch)
    assert rows[:total].tolist() == [row for row, _ in expected]
    np.testing.assert_allclose(gates[:total], [gate for _, gate in expected], atol=1e-6)


@given(plans(), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_a_gate_does_not_depend_on_how_the_prompt_was_cut(plan, chunks):
    whole = run([(plan, 0, sum(chunks))])
    at, rows, gates = 0, [], []
    for chunk in chunks:
        total, some_rows, some_gates, _ = run([(plan, at, chunk)])
        rows += some_rows[:total].tolist()
        gates += some_gates[:total].tolist()
        at += chunk
    assert rows == whole[1][: whole[0]].tolist()
    assert gates == whole[2][: whole[0]].tolist()
