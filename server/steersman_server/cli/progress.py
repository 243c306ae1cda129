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
    TimeRemainingColumn,
)

from steersman_vectors.fingerprint import Fingerprint, fingerprint
from steersman_vectors.model_dir import resolve_model_dir


def fingerprint_of(model: str) -> Fingerprint:
    """Returns the fingerprint of a model folder or cached hub name.

    Raises `CallerError`: `model_not_found`,
    `model_unreadable`.
    """
    model_dir = resolve_model_dir(model)
    columns = ("Fingerprinting the model", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("hash", total=None)
        found = fingerprint(
            model_dir, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    return found


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function of (done, in all) that moves a bar on stderr, on a terminal only."""
    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
