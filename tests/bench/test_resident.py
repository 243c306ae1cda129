"""What vectors cost a worker: memory per vector, a load beside the steps, a row per new plan.

Writes `docs/benchmarks/resident.json` and `.md`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import psutil
import pytest
import torch

from steersman_vectors.formats import native
from steersman_vectors.vector import from_differences
from tests.bench.pages import machine, write
from vllm_steersman.resident import ResidentVectors
from vllm_steersman.staging import RowWriter

pytestmark = pytest.mark.bench

MANY = 5000
ROWS, REPEATS = 257, 100
SHAPES = {"5 x 4096": (5, 4096), "32 x 4096": (32, 4096), "48 x 5120": (48, 5120)}
HEADING = """\
# What vectors cost a worker

{machine}. Rows in bf16, one thread; medians of {repeats}. A load runs in a thread beside the steps;
a row is written in the first step of a plan that no other request uses. Made by `make bench`.

{many} resident vectors of 5 layers x 4096 take {per_vector:.1f} KiB of host memory each (their
directions in fp32 are 80.0), once per worker, whatever number of requests use them.

| layers x hidden | load, ms | a row of one vector, us | of three vectors, us |
|---|---:|---:|---:|
"""


def drawn(layers: int, hidden: int, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    directions = {i: rng.standard_normal(hidden, dtype=np.float32) for i in range(layers)}
    return native.dumps(from_differences(directions, name=f"v{seed}", scale="unit"))


def median_s(call: Callable[[int], object]) -> float:
    times = []
    for i in range(REPEATS):
        started = time.perf_counter()
        call(i)
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def measure(layers: int, hidden: int) -> dict[str, float]:
    blobs = [drawn(layers, hidden, seed) for seed in range(3)]
    resident = ResidentVectors(hidden, range(layers))
    digests = [resident.load(blob)[0] for blob in blobs]
    writer = RowWriter(torch.zeros(layers, ROWS, hidden, dtype=torch.bfloat16))

    def load(_: int) -> None:
        ResidentVectors(hidden, range(layers)).load(blobs[0])

    def new_row(used: list[str]) -> Callable[[int], None]:
        return lambda i: writer.write(
            1 + i % (ROWS - 1), resident.sum_deltas([(digest, 1.0 + i) for digest in used])
        )

    return {
        "load_ms": 1e3 * median_s(load),
        "row_of_one_us": 1e6 * median_s(new_row(digests[:1])),
        "row_of_three_us": 1e6 * median_s(new_row(digests)),
    }


def kib_per_vector() -> float:
    """Returns what each of many vectors adds to the memory of this process."""
    resident = ResidentVectors(4096, range(5))
    resident.load(drawn(5, 4096, MANY))
    process = psutil.Process()
    before = process.memory_info().rss
    for seed in range(MANY):
        resident.load(drawn(5, 4096, seed))
    return (process.memory_info().rss - before) / MANY / 1024


def test_what_vectors_cost_a_worker():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as vLLM sets it in a worker with a GPU
    try:
        rows = {name: measure(*shape) for name, shape in SHAPES.items()}
    finally:
        torch.set_num_threads(threads)
    per_vector = kib_per_vector()
    page = HEADING.format(machine=machine(), repeats=REPEATS, many=MANY, per_vector=per_vector)
    for name, row in rows.items():
        page += (
            f"| {name} | {row['load_ms']:.2f} | {row['row_of_one_us']:.0f} "
            f"| {row['row_of_three_us']:.0f} |\n"
        )
    record = {"machine": machine(), "kib_per_vector": per_vector, "rows": rows}
    write("resident", record, page)
    assert per_vector < 120
