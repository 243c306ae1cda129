"""Steered against stock vLLM, as ratios with their spread.

On the CPU half an hour, and ten minutes for the read-out; on a GPU, with CUDA graphs, some five
minutes for each shape.
"""

from __future__ import annotations

import pytest

from tests.bench.pages import write_throughput
from tests.bench.profiles import CPU, CPU_READOUT, GPU_1_5B, GPU_8B
from tests.bench.throughput import measure

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]


PROFILES = [
    pytest.param(CPU, id="cpu"),
    pytest.param(CPU_READOUT, id=CPU_READOUT.name),
    pytest.param(GPU_1_5B, id=GPU_1_5B.name, marks=pytest.mark.gpu),
    pytest.param(GPU_8B, id=GPU_8B.name, marks=pytest.mark.gpu),
]


@pytest.mark.parametrize("profile", PROFILES)
def test_throughput_against_stock(profile, tmp_path):
    rows = [row for eager in profile.modes for row in measure(profile, tmp_path, eager=eager)]
    write_throughput(profile, rows)
    assert all(row["ratio"] > 0.5 for row in rows), "steering must never halve the speed"
