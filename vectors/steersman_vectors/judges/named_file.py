"""The file in the name of a judge, such as `keywords:FILE` or `readout@12:FILE`."""

from __future__ import annotations

from pathlib import Path


def named_file(spec: str) -> Path | None:
    """Returns the file that a judge's name ends with; None where it names none that is there."""
    judge, colon, argument = spec.partition(":")
    if not colon or not judge.partition("@")[0].isidentifier():
        return None
    path = Path(argument)
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):  # too long for a path, or a null character
        return None
