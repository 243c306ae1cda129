"""What the benchmarks share: a GPU where one is needed, and the tables last of all."""

from __future__ import annotations

import pytest
import torch

from tests.bench import pages


@pytest.fixture(autouse=True)
def gpu(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.fail("no GPU: torch.cuda.is_available() is False, nothing measured", pytrace=False)


def pytest_unconfigure() -> None:
    for page in pages.WRITTEN:
        print(f"\n{page}")
