"""The fingerprint of a model, with a progress bar while its weights are hashed."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.model_dir import resolve_model_dir


def fingerprint_of(model: str) -> str:
    """Returns the fingerprint's digest of a model folder or cached hub name.

    The bar goes to stderr, and only to a terminal. Raises `CallerError`: `model_not_found`,
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
    return found.digest
