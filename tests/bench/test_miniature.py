"""The measuring core of the throughput benchmarks, small: every case once, figures for nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench import pages
from tests.bench.profiles import CPU, GPU_1_5B, GPU_8B, RUNNER
from tests.bench.throughput import STOCK, STOCK_WITH_ARRIVALS, cases_of, measure, row_of

SMALL = {
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 6,
    "num_attention_heads": 2, "num_key_value_heads": 2,
}  # fmt: skip
MINIATURE = replace(
    CPU,
    model=CPU.model | SMALL,
    requests=4,
    tokens=20,
    rounds=1,
    starts=1,
    modes=(True,),
    statistic="mean",
    boot_together=True,
    environment={RUNNER: "0", "VLLM_CPU_KVCACHE_SPACE": "1"},
)


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


def test_a_ratio_is_to_stock_under_the_same_load():
    cases = {case.name: case for case in cases_of(MINIATURE)}
    times = {
        STOCK: [[1.0, 1.0, 4.0], [1.0, 1.0, 4.0]],
        STOCK_WITH_ARRIVALS: [[1.0, 1.0, 4.0], [1.0, 1.0, 7.0]],
        "steered at every layer": [[2.0, 2.0, 2.0], [4.0, 4.0, 4.0]],
        "each newcomer by a new vector": [[4.0, 4.0, 4.0], [3.0, 3.0, 3.0]],
    }
    row = row_of(cases["steered at every layer"], times, "median")
    assert (row["ratio_low"], row["ratio"], row["ratio_high"]) == (0.25, 0.375, 0.5)
    row = row_of(cases["each newcomer by a new vector"], times, "median")
    assert (row["ratio_low"], row["ratio_high"]) == (0.5, 1.0)


@pytest.mark.parametrize("profile", [CPU, GPU_1_5B, GPU_8B], ids=lambda profile: profile.name)
def test_layers_of_each_profile_exist(profile):
    for case in cases_of(profile):
        assert len(case.plans) == profile.requests
        if isinstance(case.layers, list):
            assert sorted(set(case.layers)) == case.layers
            assert case.layers[-1] < profile.depth
    assert cases_of(CPU)[2].layers == [1, 3, 5, 7, 9]
