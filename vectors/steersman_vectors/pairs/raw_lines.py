"""The lines of a file as bytes, in bounded memory; and how a file is refused."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import CallerError
from .line import FORMS, MAX_LINE_BYTES

MAX_BYTES = 512 * 2**20
MAX_SHOWN = 10
"""Problems of a file that one refusal names."""


def pairs_invalid(path: Path | str, problems: Sequence[str], more: int = 0) -> CallerError:
    """Returns the refusal of a file; more: problems beyond those named."""
    shown = "; ".join(problems) + (f"; and {more:,} more" if more > 0 else "")
    return CallerError(f"{path}: {shown}", code="pairs_invalid")


class Problems:
    """The first problems of a file, and how many there are."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self.shown: list[str] = []

    def add(self, problem: str) -> None:
        """Keeps the problem, or only counts it."""
        self.count += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(problem)

    def refuse(self) -> None:
        """Raises `CallerError(pairs_invalid)` if there is any."""
        if self.count:
            raise pairs_invalid(self.path, self.shown, self.count - len(self.shown))


def size_of(path: Path) -> int:
    """Returns the bytes of a file of pairs.

    Raises `CallerError`: `pairs_not_found`, `pairs_invalid`.
    """
    try:
        if not path.is_file():
            raise FileNotFoundError
        size = path.stat().st_size
    except FileNotFoundError:
        raise CallerError(
            f"no file {path}; expected pairs, one JSON object a line: {FORMS}",
            code="pairs_not_found",
        ) from None
    except OSError as error:
        raise pairs_invalid(path, [f"cannot be read ({error.strerror})"]) from error
    if size > MAX_BYTES:
        raise pairs_invalid(path, [f"{size:,} bytes, expected at most {MAX_BYTES:,}"])
    return size


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields number and bytes of each line; one that is too long is cut to bound memory."""
    try:
        with path.open("rb") as file:
            number, within = 0, False
            while raw := file.readline(MAX_LINE_BYTES + 2):
                whole = raw.endswith(b"\n")
                if not within:
                    number += 1
                    yield number, _without_bom(raw, path) if number == 1 else raw
                within = not whole
    except OSError as error:
        raise pairs_invalid(path, [f"cannot be read ({error.strerror})"]) from error


def _without_bom(raw: bytes, path: Path) -> bytes:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise pairs_invalid(path, ["is UTF-16; save the file as UTF-8"])
    return raw.removeprefix(codecs.BOM_UTF8)
