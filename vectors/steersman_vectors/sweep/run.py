"""A grid through an engine: what is missing is asked for, and written as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..vector import SteeringVector
from .contract import Ask, OfflineEngine
from .doses import resident_dose
from .grid import Grid, Run, runs
from .results import ResultsFile
from .rows import row_of

Progress = Callable[[int, int], None]
"""Told how many answers there are, and how many there will be."""


def missing(grid: Grid, file: ResultsFile) -> list[Run]:
    """Returns the answers that the file lacks, in the grid's order."""
    return [run for run in runs(grid) if run.id not in file.done]


def run(
    engine: OfflineEngine,
    grid: Grid,
    vectors: Mapping[str, SteeringVector],
    file: ResultsFile,
    progress: Progress | None = None,
) -> int:
    """Asks for every answer that the file lacks and appends each; returns how many those were.

    Args:
        engine: Runs the model that the grid names.
        grid: What is asked.
        vectors: By digest, those that the grid names, whole.
        file: Where the answers go.
        progress: Told after each answer.

    Raises:
        CallerError: What the engine refuses; before any answer is given.
    """
    wanted = missing(grid, file)
    done, total = len(file.done), len(file.done) + len(wanted)
    tell = progress or _nobody
    tell(done, total)
    for index, answer in engine.answer(_asks(engine, grid, vectors, wanted)):
        file.write(row_of(wanted[index], answer))
        done += 1
        tell(done, total)
    return len(wanted)


def _nobody(_done: int, _total: int) -> None:
    """Listens to no progress."""


def _asks(
    engine: OfflineEngine,
    grid: Grid,
    vectors: Mapping[str, SteeringVector],
    wanted: Sequence[Run],
) -> list[Ask]:
    dose_of = resident_dose(engine, vectors)
    return [
        Ask(
            messages=run.prompt.messages,
            dose=dose_of(run.setting),
            temperature=grid.temperature,
            max_tokens=grid.max_tokens,
            seed=run.seed if grid.temperature else None,
        )
        for run in wanted
    ]
