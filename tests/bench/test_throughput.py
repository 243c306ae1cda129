"""Steered against stock vLLM on the CPU, as ratios with their spread: a quarter of an hour."""

from __future__ import annotations

import pytest

from tests.bench.pages import write_throughput
from tests.bench.profiles import CPU
from tests.bench.throughput import measure

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]


def test_throughput_against_stock(tmp_path):
    rows = [row for eager in CPU.modes for row in measure(CPU, tmp_path, eager=eager)]
    write_throughput(CPU, rows)
    assert all(row["ratio"] > 0.5 for row in rows), "steering must never halve the speed"
