"""The measuring core of the throughput benchmarks, small: every case once, figures for nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench import pages
from tests.bench.profiles import CPU, CPU_READOUT, GPU_1_5B, GPU_8B, RUNNER
from tests.bench.throughput import (
    STOCK,
    STOCK_WITH_ARRIVALS,
    Case,
    cases_of,
    measure,
    pairs_of,
    row_of,
)

SMALL = {
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 6,
    "num_attention_heads": 2, "num_key_value_heads": 2,
}  # fmt: skip
MINIATURE = replace(
    CPU,
    model=CPU.model | SMALL,
    requests=4,
    steps=16,
    starts=1,
    modes=(True,),
    boot_together=True,
    environment={RUNNER: "0", "VLLM_CPU_KVCACHE_SPACE": "1"},
)


@pytest.mark.soak  # three minutes
@pytest.mark.engine
def test_every_case_is_measured_and_has_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "OUT", tmp_path)
    monkeypatch.setattr(pages, "WRITTEN", [])
    rows = measure(MINIATURE, tmp_path, eager=True)
    pages.write_throughput(MINIATURE, rows)
    page = (tmp_path / "throughput-cpu.md").read_text()
    for case in cases_of(MINIATURE):
        assert page.count(f"| {case.name} |") == 1
    assert all(row["itl_ms_p99"] >= row["itl_ms_p50"] > 0 for row in rows)
    assert [page] == pages.WRITTEN
    assert (tmp_path / "throughput-cpu.png").stat().st_size > 0


def test_a_ratio_is_the_median_of_starts_and_theirs_of_their_turns():
    case = Case("any", None, [])
    starts = [
        [([1.0], [2.0]), ([4.0], [2.0]), ([1.0], [1.0])],
        [([1.0, 1.0, 4.0], [8.0, 2.0, 2.0])],
        [([3.0], [4.0]), ([3.0], [4.0])],
    ]
    row = row_of(case, starts)
    assert (row["ratio_low"], row["ratio"], row["ratio_high"]) == (0.5, 0.75, 1.0)
    assert (row["itl_ms_p50"], row["itl_ms_p99"]) == (2000.0, pytest.approx(7720.0))
    row = row_of(case, starts[:1])
    assert (row["ratio_low"], row["ratio"], row["ratio_high"]) == (0.5, 1.0, 2.0)
    assert row_of(case, starts[1:])["ratio_error"] == 0.0


class Recorder:
    """An engine that notes whose turn it is; a step lasts as long as the requests of its case."""

    def __init__(self, turns: list[tuple[str, int, bool]]) -> None:
        self.turns = turns

    def steps(self, case: Case, steps: int, *, end: bool) -> list[float]:
        self.turns.append((case.name, steps, end))
        return [float(len(case.plans))] * steps


def test_a_case_steps_in_turn_with_stock_under_the_same_load():
    cases = [
        Case(STOCK, None, [None]),
        Case("a", "all", [None] * 2),
        Case(STOCK_WITH_ARRIVALS, None, [None] * 3, new_every=8),
        Case("b", "all", [None] * 4, new_every=8),
    ]
    turns: list[tuple[str, int, bool]] = []
    engines = {case.engine: Recorder(turns) for case in cases}
    pairs = pairs_of(replace(MINIATURE, steps=16), cases, engines)
    assert [name for name, _, _ in turns[:6]] == [STOCK, "a", "a", STOCK, STOCK, "a"]
    assert turns[32:34] == [(STOCK, 1, True), ("a", 1, True)]
    assert turns[34:36] == [(STOCK_WITH_ARRIVALS, 8, False), ("b", 8, False)]
    assert pairs["a"] == [([1.0], [2.0])] * 16  # the first turn warms up
    assert pairs["b"] == [([3.0] * 8, [4.0] * 8)] * 2
    assert pairs[STOCK_WITH_ARRIVALS] == [([3.0] * 8, [3.0] * 8)] * 2

    turns.clear()
    pairs = pairs_of(replace(MINIATURE, steps=16, turn=16, runs=2), cases[:2], engines)
    whole = [(STOCK, 16, True), ("a", 16, True)]
    assert turns == [*whole, *whole[::-1], *whole]
    assert pairs["a"] == [([1.0] * 16, [2.0] * 16)] * 2


@pytest.mark.parametrize(
    "profile", [CPU, CPU_READOUT, GPU_1_5B, GPU_8B], ids=lambda profile: profile.name
)
def test_layers_of_each_profile_exist(profile):
    for case in cases_of(profile):
        assert len(case.plans) == profile.requests
        if isinstance(case.layers, list):
            assert sorted(set(case.layers)) == case.layers
            assert case.layers[-1] < profile.depth
    assert cases_of(CPU)[2].layers == [1, 3, 5, 7, 9]
