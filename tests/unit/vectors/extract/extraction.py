"""Extracts from a tiny model, in a process of its own that can be made to die by SIGKILL.

`python extraction.py MODEL WORKDIR OUT METHOD DIE_AT`: dies when DIE_AT tokens are read; 0: never.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steersman_vectors.extract import run
from steersman_vectors.extract.contract import Progress
from steersman_vectors.extract.hf import open_source
from steersman_vectors.extract.methods.contract import MethodName
from steersman_vectors.extract.order import Extracted, Order
from steersman_vectors.formats import native
from tests.unit.vectors.extract.samples import contrast


def extracted(
    model: Path, workdir: Path, method: MethodName = "mean", die_at: int = 0
) -> Extracted:
    run.BATCHES_A_CHUNK = 1

    @contextmanager
    def stage(_what: str, unit: str) -> Iterator[Progress]:
        def progress(done: int, _total: int) -> None:
            if unit == "tokens" and die_at and done >= die_at:
                os.kill(os.getpid(), signal.SIGKILL)

        yield progress

    order = Order(
        model, contrast(40), "tiny", method=method, position="answer", dtype="float32",
        batch_tokens=150, split="none",
    )  # fmt: skip
    return run.extract(order, workdir, open_source=open_source, stage=stage)


if __name__ == "__main__":
    _, model, workdir, out, method, die_at = sys.argv
    found = extracted(Path(model), Path(workdir), method, int(die_at))  # type: ignore[arg-type]
    native.save(found.vector, Path(out))
    print(found.passed.tokens, found.passed.resumed_tokens)
