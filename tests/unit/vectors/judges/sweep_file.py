"""A small sweep's file, written by the sweep's own code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import Answer
from steersman_vectors.sweep.grid import Grid, GridVector, LayerSet, Run, runs
from steersman_vectors.sweep.prompts import SweepPrompt
from steersman_vectors.sweep.results import ResultsFile
from steersman_vectors.sweep.rows import row_of

PROMPTS = (
    SweepPrompt("spider", (Message("user", "How many legs has a spider?"),), ["8", "eight"]),
    SweepPrompt("short", (Message("user", "Say it briefly."),), {
        "checks": [{"kind": "words", "at_most": 3}]
    }),
    SweepPrompt("other", (Message("user", "Where is my order?"),), {"days": 3}),
)  # fmt: skip


def a_grid(alphas: tuple[float, ...] = (0.0, 0.5, 1.0), samples: int = 1) -> Grid:
    return Grid(
        model="sha256:model",
        vectors=(GridVector("warm", "sha256:warm", (1, 2)),),
        layer_sets=(LayerSet("own", None),),
        alphas=alphas,
        prompts=PROMPTS,
        samples=samples,
        temperature=0.8 if samples > 1 else 0.0,
    )


def say(run: Run) -> str:
    """Warmer with alpha, and broken at 1."""
    if run.setting.alpha == 1.0:
        return "so sorry " * 40
    warm = "Sorry! " if run.setting.alpha else ""
    return (
        warm + {"spider": "It has eight.", "short": "Done.", "other": "On its way."}[run.prompt.id]
    )


def write_sweep(
    path: Path, grid: Grid | None = None, text_of: Callable[[Run], str | None] = say
) -> Path:
    grid = grid or a_grid()
    with ResultsFile(path, grid) as file:
        for run in runs(grid):
            text = text_of(run)
            if text is not None:
                ids = tuple(range(len(text.split())))
                file.write(row_of(run, Answer(text, "stop", ids, (-0.5,) * len(ids))))
    return path
