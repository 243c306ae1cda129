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
    TimeRemainingColumn,
)

from steersman_vectors.fingerprint import Fingerprint, fingerprint
from steersman_vectors.model_dir import resolve_model_dir


def fingerprint_of(model: str) -> Fingerprint:
    """Returns the fingerprint of a model folder or cached hub name.

    Raises `CallerError`: `model_not_found`, `model_unreadable`, `model_damaged`.
    """
    model_dir = resolve_model_dir(model)
    with counting("Fingerprinting the model", DownloadColumn()) as progress:
        return fingerprint(model_dir, progress=progress)


@contextmanager
def counting(
    what: str, amount: ProgressColumn | None = None
) -> Iterator[Callable[[int, int], None]]:
    """Gives a function of (done, in all) that moves a bar; amount: how the two are written."""
    columns = (what, BarColumn(), amount or MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
