"""One line of JSON per decision, appended to a file a day: who was steered, how, and why.

    DATA_DIR/decisions/2026-11-26.jsonl

No prompt, no answer, no key. Requests wait for nothing: a thread writes, and what it cannot keep up
with, or cannot write, is counted and told in the server's log. All processes append to the same
file, whole lines at a time. Old files are the operator's to remove.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger("steersman.decisions")

FOLDER = "decisions"
MAX_WAITING = 20_000
EVERY_S = 0.2
"""Lines wait for others this long: a thread that wakes for each would stand in the loop's way."""

_Waiting = tuple[float, Callable[[], dict[str, Any]]]
"""Unix time, line."""


class DecisionLog:
    """Takes lines from the event loop, writes them from a thread of its own."""

    def __init__(self, data_dir: Path, count_lost: Callable[[int], None] = lambda _: None) -> None:
        self.folder = data_dir / FOLDER
        self.lost = 0
        """Lines that were not written."""
        self._count_lost = count_lost
        self._lines: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._cut = False
        """Whether the file ends within a line of ours."""

    def write(self, line: Callable[[], dict[str, Any]]) -> None:
        """Has a line written, soon; never raises, never waits.

        line: gives it; called from the thread, so it must only look at what does not change.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
            self._thread.start()
        if self._lines.qsize() >= MAX_WAITING:
            self._count(1)
            return
        self._lines.put((time.time(), line))

    def close(self) -> None:
        """Returns when what was taken is written."""
        if self._thread is not None:
            self._lines.put(None)
            self._thread.join(timeout=5.0)
            self._thread = None

    def _run(self) -> None:
        going_on = True
        while going_on:
            lines = [self._lines.get()]
            time.sleep(0.0 if lines[0] is None else EVERY_S)
            while not self._lines.empty():
                lines.append(self._lines.get())
            going_on = None not in lines
            self._append([line for line in lines if line is not None])

    def _append(self, lines: Sequence[_Waiting]) -> None:
        try:
            made = [{"at": _iso(at), **line()} for at, line in lines]
            written = append(self.folder, made, after_cut=self._cut)
        except Exception as error:
            # Whatever it is: the thread goes on, or nothing would be written from here on.
            self._lose(len(lines), error)
            return
        self._cut = written < len(lines)
        if self._cut:
            self._lose(len(lines) - written, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _lose(self, lines: int, error: Exception) -> None:
        before = self.lost
        self._count(lines)
        if before == 0 or before // 1000 != self.lost // 1000:
            log.warning("decisions_not_written", lost=self.lost, message=str(error))

    def _count(self, lines: int) -> None:
        self.lost += lines
        self._count_lost(lines)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def append(folder: Path, lines: Sequence[Mapping[str, Any]], *, after_cut: bool = False) -> int:
    """Appends lines to the day's file, as one write; returns how many are whole in it.

    after_cut: whether the last write ended within a line, which the next must not be glued to.
    Raises `OSError`.
    """
    if not lines:
        return 0
    data = [json.dumps(line).encode() + b"\n" for line in lines]
    if after_cut:
        data[0] = b"\n" + data[0]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = file_of(folder, datetime.now(UTC).date())
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        left = os.write(fd, b"".join(data))
    finally:
        os.close(fd)
    whole = 0
    while whole < len(data) and left >= len(data[whole]):
        left -= len(data[whole])
        whole += 1
    return whole


def read_backwards(data_dir: Path, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Yields the decisions, newest first; a line that is cut off is left out."""
    first = "" if since is None else since.astimezone(UTC).isoformat(timespec="milliseconds")
    for path in sorted((data_dir / FOLDER).glob("????-??-??.jsonl"), reverse=True):
        if path.stem < first[:10]:
            return
        for line in reversed(path.read_bytes().splitlines()):
            with suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict) and str(value.get("at", "")) >= first:
                    yield value


def file_of(folder: Path, day: date) -> Path:
    """Returns the file with a day's decisions (UTC)."""
    return folder / f"{day.isoformat()}.jsonl"
