"""A file of a sweep's answers: appended one by one, continued after any end, never mixed.

JSON lines: the grid, then a row for each answer. What a killed process leaves is a cut last line at
most; it is cut off, and its answer is given again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ..errors import CallerError, OperatorError
from . import grid as grids
from .grid import Grid
from .rows import Row, header_of, line_of, parse_header, parse_row


@dataclass(frozen=True, slots=True)
class Results:
    """A file of results as it was read."""

    grid: Grid
    rows: dict[str, Row]
    """By run id, in the order in which they were finished."""

    @property
    def missing(self) -> int:
        """How many answers are still to be given."""
        return len(grids.runs(self.grid)) - len(self.rows)


def read_results(path: Path) -> Results:
    """Returns what the file holds; a cut last line is left out.

    Raises `CallerError`: `results_not_found`, `results_damaged`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CallerError(
            f"cannot read the results in {path} ({error.strerror}). Expected what "
            "`steersman vectors sweep --out` wrote",
            code="results_not_found",
        ) from error
    lines = data.split(b"\n")[:-1]  # what follows the last line feed is cut, or nothing
    if not lines:
        raise _damaged(path, "it is empty")
    grid = _header(path, lines[0])
    return Results(grid, {row.id: row for row in _rows(path, grid, lines[1:])})


class ResultsFile:
    """A file of results that is being written. A context manager."""

    def __init__(self, path: Path, grid: Grid) -> None:
        """Takes the file, or makes it, for this process alone; repairs its end.

        Raises:
            CallerError: `results_of_another_sweep`, `results_damaged`, `path_unusable`.
            OperatorError: `results_in_use` while another sweep writes to it.
        """
        self.path = path
        self._file = _locked(path)
        try:
            self.done = self._begin(grid)
            """Ids of the answers that were there."""
        except BaseException:
            self._file.close()
            raise

    def write(self, row: Row) -> None:
        """Appends an answer; it outlives this process when this returns."""
        self._file.write(line_of(row))
        self._file.flush()

    def close(self) -> None:
        """Brings all to the disk and lets others write."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> ResultsFile:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the file."""
        self.close()

    def _begin(self, grid: Grid) -> frozenset[str]:
        data, header = self._file.read(), header_of(grid)
        whole = data.rfind(b"\n") + 1
        if whole == 0:
            if not header.startswith(data):
                raise _damaged(self.path, "it holds something else")
            return self._anew(header)
        first, *rest = data[:whole].split(b"\n")[:-1]
        if first + b"\n" != header:
            there = _header(self.path, first)
            if whole == len(data) and not rest:  # nothing was answered: nothing is lost
                return self._anew(header)
            raise _other(self.path, there, grid)
        done = frozenset(row.id for row in _rows(self.path, grid, rest))
        self._cut(whole)
        return done

    def _anew(self, header: bytes) -> frozenset[str]:
        self._cut(0)
        self._file.write(header)
        self._file.flush()
        return frozenset()

    def _cut(self, size: int) -> None:
        self._file.seek(size)
        self._file.truncate()


def _locked(path: Path) -> BinaryIO:
    try:
        file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")  # noqa: SIM115
    except OSError as error:
        raise CallerError(
            f"cannot write the results to {path} ({error.strerror}). Choose another --out",
            code="path_unusable",
            param="out",
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise OperatorError(
            f"another sweep is writing to {path}. Wait for it, or choose another --out",
            code="results_in_use",
            param="out",
        ) from error
    return file


def _header(path: Path, line: bytes) -> Grid:
    try:
        return parse_header(line)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _rows(path: Path, grid: Grid, lines: list[bytes]) -> Iterator[Row]:
    wanted = {run.id for run in grids.runs(grid)}
    for number, line in enumerate(lines, 2):
        try:
            row = parse_row(line)
        except ValueError as error:
            raise _damaged(path, f"line {number} is no answer ({error})", number) from error
        if row.id not in wanted:
            raise _damaged(path, f"line {number} is an answer that the grid does not want", number)
        wanted.discard(row.id)
        yield row


def _other(path: Path, there: Grid, asked: Grid) -> CallerError:
    then, now = grids.to_json(there), grids.to_json(asked)
    differing = [name for name in now if now[name] != then[name]] or ["the file's layout"]
    return CallerError(
        f"{path} holds the results of another sweep; it differs in: {', '.join(differing)}. "
        "Choose another --out, or repeat the command that began it to go on",
        code="results_of_another_sweep",
        param="out",
    )


def _damaged(path: Path, what: str, line: int | None = None) -> CallerError:
    remedy = "Choose another --out" if line is None else (
        f"Remove that line (sed -i {line}d FILE) and its answer is given again"
    )  # fmt: skip
    return CallerError(
        f"{path} is not a sweep's results, or was damaged: {what}. {remedy}",
        code="results_damaged",
        param="out",
    )
