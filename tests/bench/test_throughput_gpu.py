"""Steered against stock vLLM on a GPU, with CUDA graphs: some five minutes for each shape."""

from __future__ import annotations

import pytest

from tests.bench.pages import write_throughput
from tests.bench.profiles import GPU_1_5B, GPU_8B
from tests.bench.throughput import measure

pytestmark = [pytest.mark.bench, pytest.mark.gpu, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("profile", [GPU_1_5B, GPU_8B], ids=lambda profile: profile.name)
def test_throughput_against_stock(gpu, profile, tmp_path):
    rows = [row for eager in profile.modes for row in measure(profile, tmp_path, eager=eager)]
    write_throughput(profile, rows)
    assert all(row["ratio"] > 0.5 for row in rows), "steering must never halve the speed"
