"""The files that a recipe names: by content, with where they were."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..card import Digest
from ..errors import CallerError
from ..formats import native

_CHUNK = 1 << 20


Role = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
"""What a file is for in its step; also the name of a folder."""


class DataFile(BaseModel):
    """One file that went into a vector."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    path: str
    """As it was given, from the folder of the command; where to look first, and what people know
    it by."""
    sha256: Digest
    """Of its bytes: `sha256:<hex>`."""
    size: Annotated[int, Field(ge=0)]
    """In bytes."""

    @property
    def name(self) -> str:
        """Returns the file's name without its folder."""
        return self.path.replace("\\", "/").rsplit("/", 1)[-1] or "data"


def data_file(path: Path) -> DataFile:
    """Returns what a recipe says of this file; raises `CallerError(data_unreadable)`."""
    try:
        digest, size = _hashed(path)
    except OSError as error:
        raise CallerError(
            f"cannot read {path}: {error.strerror or error}. Expected a file that can be read",
            code="data_unreadable",
        ) from error
    return DataFile(path=_text(path), sha256=digest, size=size)


def data_files(**paths: Path | None) -> dict[str, DataFile]:
    """Returns the files by the role that they play, without those that are None.

    A pipe is no file: nobody can read it again.
    """
    return {
        role: data_file(path)
        for role, path in paths.items()
        if path is not None and not path.is_fifo()
    }


def read_if(path: Path, wanted: DataFile) -> bytes | None:
    """Returns the bytes of the file if they are those wanted; else None."""
    try:
        if not path.is_file() or path.stat().st_size != wanted.size:
            return None
        data = path.read_bytes()
    except (OSError, ValueError):  # ValueError: a null character in a path from a card
        return None
    return data if native.digest(data) == wanted.sha256 else None


def find(
    wanted: Mapping[str, DataFile], folders: Iterable[Path], beside: Path | None = None
) -> dict[str, bytes]:
    """Returns those files that are where they were, or anywhere in the folders: by content.

    beside: a folder that is looked at under the file's own name or path, and not below. In
    `folders` names do not matter, and only files of the right size are read.
    """
    found: dict[str, bytes] = {}
    for role, file in wanted.items():
        near = () if beside is None else (beside / file.path, beside / file.name)
        for path in (Path(file.path), *near):
            if role not in found and (data := read_if(path, file)) is not None:
                found[role] = data
    lacking = {role: file for role, file in wanted.items() if role not in found}
    for path in _files(folders) if lacking else ():
        for role, file in lacking.items():
            if role not in found and (data := read_if(path, file)) is not None:
                found[role] = data
    return found


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for root, inner, names in os.walk(folder):
            inner[:] = sorted(each for each in inner if not each.startswith("."))
            yield from (Path(root) / name for name in sorted(names))


def _hashed(path: Path) -> tuple[str, int]:
    sha256, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            size += len(chunk)
    return f"sha256:{sha256.hexdigest()}", size


def _text(path: Path) -> str:
    """Returns the path as text that JSON can hold."""
    return os.fsencode(path).decode(errors="replace")
