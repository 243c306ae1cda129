"""A file of pairs that is being written: never overwritten, continued after any end."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ..errors import CallerError
from .line import Line, parse_line
from .raw_lines import Problems, raw_lines, size_of


class GrowingFile:
    """Lines are appended one by one; the file appears with the first. A context manager."""

    def __init__(self, path: Path, concept: str, *, resume: bool) -> None:
        """Reads what is there; changes nothing.

        Raises:
            CallerError: `out_exists` without resume; `out_differs` when it is of another concept;
                `path_unusable`; `pairs_invalid` when it is no file of pairs.
        """
        self.path = path
        self.lines: list[Line] = []
        """What was there."""
        self._keep = 0
        self._file: BinaryIO | None = None
        self._lacks_end = False
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise _unusable(path, f"no folder {path.parent} that can be written to; make it first")
        if not path.exists():
            return
        if not resume:
            raise CallerError(
                f"{path} is there already; add to it with --resume, or choose another --out",
                code="out_exists",
                param="out",
            )
        self._open()
        try:
            self._read(concept)
        except BaseException:
            self.close()
            raise

    def write(self, line: bytes) -> None:
        """Appends a line, which ends in a line feed; it is in the file when this returns."""
        if self._file is None:
            self._open(new=True)
        assert self._file is not None, "just opened"
        if self._lacks_end:
            line, self._lacks_end = b"\n" + line, False
        self._file.seek(self._keep)
        self._file.truncate()
        self._file.write(line)
        self._file.flush()
        self._keep += len(line)

    def close(self) -> None:
        """Lets others write to it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> GrowingFile:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Closes the file."""
        self.close()

    def _open(self, *, new: bool = False) -> None:
        try:
            self._file = self.path.open("x+b" if new else "r+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise _unusable(self.path, "another command writes to it; wait for it") from None
        except OSError as error:
            self.close()
            raise _unusable(self.path, f"{error.strerror}; choose another --out") from None

    def _read(self, concept: str) -> None:
        """Takes the lines; one that a crash has cut is the end, and is written over."""
        problems = Problems(self.path)
        size = size_of(self.path)
        for number, raw in raw_lines(self.path):
            self._keep = self._end_of(number, raw, problems, size)
        problems.refuse()
        for line in self.lines:
            of = line.meta.get("concept", concept)
            if of != concept:
                raise CallerError(
                    f"{self.path} has pairs for {str(of)[:80]!r}, --concept is {concept[:80]!r}; "
                    "choose another --out, or give the same concept",
                    code="out_differs",
                    param="out",
                )

    def _end_of(self, number: int, raw: bytes, problems: Problems, size: int) -> int:
        whole = raw.endswith(b"\n")
        if raw.strip():
            try:
                self.lines.append(parse_line(raw))
            except ValueError as error:
                cut = str(error).startswith(("is not JSON", "is not UTF-8"))
                if cut and not whole and raw.startswith(b"{"):
                    return size - len(raw)
                problems.add(f"line {number}: {error}")
        self._lacks_end = not whole
        return size


def _unusable(path: Path, what: str) -> CallerError:
    return CallerError(f"{path}: {what}", code="path_unusable", param="out")
