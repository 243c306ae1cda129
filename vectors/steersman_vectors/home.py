"""Paths that people write with `~`."""

from __future__ import annotations

from pathlib import Path

from .errors import CallerError


def expand_home(path: Path | str, *, remedy: str) -> Path:
    """Returns the path with `~` or `~user` replaced by that user's home directory.

    Raises `CallerError(path_unusable)`, which ends with the remedy, for a user who has none here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        whose = Path(path).parts[0]
        raise CallerError(
            f"cannot use {str(path)!r}: {whose!r} has no home directory here; {remedy}",
            code="path_unusable",
        ) from error
