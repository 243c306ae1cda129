"""What every API process of one server says of itself, for whichever of them is asked.

A file for each under DATA_DIR/processes, replaced whenever the registry was heard. Times are of the
machine's monotonic clock, which its processes share.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from steersman_vectors.whole_file import write_whole

RECENT_S = 60.0
"""Processes report every few seconds; what is older was left by one that ended or hangs."""


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """Where one process stands with the registry."""

    pid: int
    revision: int
    confirmed_at: float | None
    """When the registry last confirmed the revision; None if it never did."""
    error: str | None

    def as_json(self) -> dict[str, Any]:
        """Returns it with the age that it has now."""
        age_s = None if self.confirmed_at is None else time.monotonic() - self.confirmed_at
        return {
            "pid": self.pid,
            "revision": self.revision,
            "age_s": None if age_s is None else round(age_s, 3),
            "error": self.error,
        }


class ProcessBoard:
    """The reports of one server's processes."""

    def __init__(self, folder: Path, server_pid: int) -> None:
        self._folder = folder
        self._server_pid = server_pid

    def post(self, report: ProcessReport) -> None:
        """Replaces this process's report; a disk that is full costs the report, nothing else."""
        path = self._folder / f"{self._server_pid}-{report.pid}.json"
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, json.dumps(asdict(report)).encode())

    def is_first(self, pid: int) -> bool:
        """Returns whether this process is the first of those that report and live."""
        reports = self.read()
        return not reports or pid <= reports[0].pid

    def read(self) -> list[ProcessReport]:
        """Returns the reports of the processes that live, by pid; removes those of the dead."""
        found = []
        for path in sorted(self._folder.glob("*-*.json")):
            with suppress(OSError, ValueError, TypeError):
                server_pid, pid = map(int, path.stem.split("-"))
                if not lives(pid):
                    path.unlink(missing_ok=True)
                elif server_pid == self._server_pid:
                    found.append(_read(path))
        return sorted(found, key=lambda report: report.pid)


def recent(folder: Path) -> list[ProcessReport]:
    """Returns what the API processes that live, of any server, reported of late."""
    found = []
    for path in sorted(folder.glob("*-*.json")):
        with suppress(OSError, ValueError, TypeError):
            if time.time() - path.stat().st_mtime < RECENT_S:
                found.append(_read(path))
    return [report for report in found if lives(report.pid)]


def living(folder: Path) -> list[int]:
    """Returns the API processes, of any server, that reported into the folder and live."""
    pids = (path.stem.partition("-")[2] for path in folder.glob("*-*.json"))
    return sorted(int(pid) for pid in pids if pid.isdigit() and lives(int(pid)))


def _read(path: Path) -> ProcessReport:
    return ProcessReport(**json.loads(path.read_text()))


def lives(pid: int) -> bool:
    """Returns whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
