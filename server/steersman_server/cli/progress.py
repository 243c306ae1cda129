"""Progress bars: on stderr, and only on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text

from steersman_vectors.fingerprint import Fingerprint, fingerprint
from steersman_vectors.model_dir import resolve_model_dir


def fingerprint_of(model: str) -> Fingerprint:
    """Returns the fingerprint of a model folder or cached hub name.

    Raises `CallerError`: `model_not_found`, `model_unreadable`, `model_damaged`.
    """
    model_dir = resolve_model_dir(model)
    with counting("Fingerprinting the model", DownloadColumn()) as progress:
        return fingerprint(model_dir, progress=progress)


class SpeedColumn(ProgressColumn):
    """How many are done in a second, lately."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Returns such as `12.3 answers/s`."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._unit}/s")


@contextmanager
def counting(
    what: str, amount: ProgressColumn | None = None, speed: ProgressColumn | None = None
) -> Iterator[Callable[[int, int], None]]:
    """Gives a function of (done, in all) that moves a bar.

    amount: how the two are written; speed: how fast it goes, where that is of interest.
    """
    columns: list[str | ProgressColumn] = [
        what,
        BarColumn(),
        amount or MofNCompleteColumn(),
        TimeRemainingColumn(),
    ]
    if speed is not None:
        columns.append(speed)
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
