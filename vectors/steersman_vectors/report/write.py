"""A report's files, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from ..errors import CallerError
from ..whole_file import write_whole


def write(path: Path, data: bytes, option: str) -> None:
    """Writes or replaces the file; raises `CallerError(file_unwritable)`, naming the option."""
    try:
        write_whole(path, data)
    except OSError as error:
        raise CallerError(
            f"--{option}: cannot write {path} ({error.strerror or error}). Expected a file in a "
            "folder that exists",
            code="file_unwritable",
            param=option,
        ) from error
