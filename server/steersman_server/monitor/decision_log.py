"""One line of JSON per decision, appended to a file a day: who was steered, how, and why.

    DATA_DIR/decisions/2026-11-26.jsonl

No prompt, no answer, no key. Requests wait for nothing: a thread writes, and what it cannot keep up
with, or cannot write, is counted and told in the server's log. All processes append to the same
file; a line is one write. Old files are the operator's to remove.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger("steersman.decisions")

FOLDER = "decisions"
MAX_WAITING = 20_000


class DecisionLog:
    """Takes lines from the event loop, writes them from a thread of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER
        self.lost = 0
        """Lines that were not written."""
        self._lines: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def write(self, line: Mapping[str, Any]) -> None:
        """Has a line written, soon; never raises, never waits."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
            self._thread.start()
        if self._lines.qsize() >= MAX_WAITING:
            self.lost += 1
            return
        self._lines.put(line)

    def close(self) -> None:
        """Returns when what was taken is written."""
        if self._thread is not None:
            self._lines.put(None)
            self._thread.join(timeout=5.0)
            self._thread = None

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                append(self.folder, line)
            except OSError as error:
                self.lost += 1
                if self.lost in (1, 10, 100) or self.lost % 1000 == 0:
                    log.warning("decisions_not_written", lost=self.lost, message=str(error))


def append(folder: Path, line: Mapping[str, Any]) -> None:
    """Appends one line to the day's file, as one write; raises `OSError`."""
    at = datetime.now(UTC)
    data = json.dumps({"at": at.isoformat(timespec="milliseconds"), **line}) + "\n"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(file_of(folder, at.date()), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, data.encode())
    finally:
        os.close(fd)


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
