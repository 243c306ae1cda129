"""The injected operation on a GPU, against memory bandwidth: about two minutes."""

from __future__ import annotations

import pytest
import torch

from tests.bench import kernel
from tests.bench.pages import machine, write

TOKENS = (1, 16, 256, 2048, 8192)
HIDDEN = (1536, 4096, 8192)


def record_of(rows: list[dict], device: str, dtype: torch.dtype, nbytes: int = 2**30) -> dict:
    return {
        "machine": machine(),
        "dtype": str(dtype).removeprefix("torch."),
        "bytes_per_second": kernel.bandwidth(device, nbytes),
        "rows": rows,
    }


@pytest.mark.bench
@pytest.mark.gpu
@pytest.mark.timeout(600)
def test_the_injected_operation_against_memory_bandwidth():
    dtype = torch.bfloat16
    rows = [row for h in HIDDEN for row in kernel.measure(TOKENS, h, "cuda", dtype)]
    record = record_of(rows, "cuda", dtype)
    write("kernel-gpu", record, kernel.page(record))
    for row in rows:  # a time under the floor is a mistake in the measurement
        floor_us = row["bytes_alone"] / record["bytes_per_second"] * 1e6
        assert row["compiled_us"] > 0.8 * floor_us, row


def test_the_same_on_the_cpu_in_small():
    rows = kernel.measure((1, 5, 300), 64, "cpu", torch.float32, calls=4)
    record = record_of(rows, "cpu", torch.float32, nbytes=2**20)
    page = kernel.page(record)
    assert "| 64 | 1 | " in page
    assert "| 64 | 300 | " in page
    assert len({text.count("|") for text in page.splitlines() if text.startswith("|")}) == 1


def test_the_floor_counts_each_byte_once():
    # 3 tokens of 8 bf16 numbers: read 48, write 48, 3 rows of 16, 3 x (8 + 4) of routing
    assert kernel.bytes_alone(3, 8, 2) == 48 + 48 + 48 + 36
    # beyond 256 tokens rows are shared
    assert kernel.bytes_added(1000, 8, 2) == 256 * 16 + 12_000
