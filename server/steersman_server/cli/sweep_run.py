"""A sweep from the command line: planned, continued, and kept when it is stopped."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .progress import SpeedColumn, counting
from .sweep_options import Asked, Planned, plan
from .values import check_apart

if TYPE_CHECKING:
    from steersman_vectors.sweep.grid import Run
    from steersman_vectors.sweep.results import Results, ResultsFile


@dataclass(frozen=True, slots=True)
class Swept:
    """How the command ended."""

    out: Path
    results: Results
    given: int
    """Answers that this command added."""
    seconds: float
    """What they took, without the engine's start."""
    interrupted: bool


def run(asked: Asked, out: Path, *, engine: str, at_once: int, parquet: Path | None) -> Swept:
    """Returns what is in `out` once all is answered, or the user has stopped it.

    Raises `SteersmanError`; what was answered until then stays.
    """
    from steersman_vectors.sweep import parquet as parquet_file
    from steersman_vectors.sweep.results import ResultsFile, read_results
    from steersman_vectors.sweep.run import missing

    check_apart([("--out", out), ("--parquet", parquet)], (*asked.files, asked.prompts))
    if parquet is not None:
        parquet_file.check_available()
        parquet_file.check_replaceable(parquet)
    planned = plan(asked)
    before, clock = 0, _Clock()
    interrupted = False
    with ResultsFile(out, planned.grid) as file:
        before = len(file.done)
        wanted = missing(planned.grid, file)
        if wanted:
            try:
                _answer(planned, file, wanted, clock, engine=engine, at_once=at_once)
            except KeyboardInterrupt:
                interrupted = True
    results = read_results(out)
    if parquet is not None and not interrupted:
        parquet_file.write_parquet(results, parquet)
    return Swept(out, results, len(results.rows) - before, clock.seconds, interrupted)


class _Clock:
    """The time from the engine's first step to the last answer."""

    def __init__(self) -> None:
        self._started: float | None = None
        self.seconds = 0.0

    def tick(self) -> None:
        now = time.monotonic()
        if self._started is None:
            self._started = now
        self.seconds = now - self._started


def _answer(
    planned: Planned, file: ResultsFile, wanted: list[Run], clock: _Clock, *, engine: str,
    at_once: int,
) -> None:  # fmt: skip
    from steersman_vectors.sweep.engines import find_engine
    from steersman_vectors.sweep.run import run as run_grid

    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported
    open_engine = find_engine(engine)
    steered = {layer for one in wanted if one.setting.steers for layer in one.setting.layers}
    with (
        open_engine(
            planned.model_dir, layers=sorted(steered) or None, max_num_seqs=at_once
        ) as booted,
        counting("Answering", speed=SpeedColumn("answers")) as progress,
    ):

        def tell(done: int, total: int) -> None:
            clock.tick()
            progress(done, total)

        run_grid(booted, planned.grid, planned.vectors, file, tell)
