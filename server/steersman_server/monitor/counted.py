"""Which of the workers' counts are in the server's counters already, for all its API processes.

A worker tells totals; a counter takes what was added since. Any API process may be the one that
asks, and another takes over when it ends: what was counted is on the disk, so that the next one
goes on from there and nothing is counted twice or left out.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import starmap, zip_longest
from pathlib import Path
from typing import Any

import structlog

from steersman_vectors.whole_file import write_whole
from steersman_vectors.worker_counters import WorkerCounters

from ..processes import lives

log = structlog.get_logger("steersman.monitor")

TOTALS = tuple(f.name for f in fields(WorkerCounters) if f.name != "since")
SUFFIX = ".counted"

Counted = dict[str, WorkerCounters]
"""By `since`: a worker that starts again starts another count."""


class CountedSoFar:
    """The totals that were counted, in memory and in a file that the processes share."""

    def __init__(self, folder: Path, server_pid: int) -> None:
        self._path = folder / f"{server_pid}{SUFFIX}"
        self._memory: Counted = {}
        self._told = False
        for path in folder.glob(f"*{SUFFIX}"):
            if path.stem.isdigit() and not lives(int(path.stem)):
                path.unlink(missing_ok=True)

    def advance(self, now: Mapping[str, WorkerCounters]) -> dict[str, WorkerCounters]:
        """Returns by how much each worker's totals grew since they were last counted.

        now: by worker. They are taken for counted from here on. A disk that fails costs what the
        process before has counted last, if there was one, and nothing else.
        """
        with suppress(OSError), self._alone():
            return self._advance(now, _read(self._path))
        return self._advance(now, {})

    def _advance(
        self, now: Mapping[str, WorkerCounters], shared: Counted
    ) -> dict[str, WorkerCounters]:
        before = merged(self._memory, shared)
        grown = {worker: growth(before.get(told.since), told) for worker, told in now.items()}
        self._memory = merged(before, {told.since: told for told in now.values()})
        self._write()
        return grown

    def _write(self) -> None:
        data = json.dumps([told.as_json() for told in self._memory.values()]).encode()
        try:
            write_whole(self._path, data)
        except OSError as error:
            if not self._told:
                log.warning("counted_not_written", message=str(error))
            self._told = True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps the server's other processes out; raises `OSError`."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def growth(before: WorkerCounters | None, now: WorkerCounters) -> WorkerCounters:
    """Returns what was added; nothing is negative, as an answer may come late."""
    if before is None:
        return now
    return _each(now, before, lambda is_, was: max(0, is_ - was))


def merged(one: Mapping[str, WorkerCounters], other: Mapping[str, WorkerCounters]) -> Counted:
    """Returns the later totals of each count: they only grow, so the higher ones."""
    both = dict(one)
    for since, told in other.items():
        mine = both.get(since)
        if mine is not None:
            told = _each(told, mine, max)
        both[since] = told
    return both


def _each(
    one: WorkerCounters, other: WorkerCounters, of: Callable[[float, float], float]
) -> WorkerCounters:
    """Returns `of` of each two totals; a total that only one of them has is beside a 0."""
    made: dict[str, Any] = {}
    for name in TOTALS:
        a, b = getattr(one, name), getattr(other, name)
        made[name] = (
            tuple(starmap(of, zip_longest(a, b, fillvalue=0))) if name == "tone" else of(a, b)
        )
    return WorkerCounters(one.since, **made)


def _read(path: Path) -> Counted:
    """Returns what the file says; nothing where there is none or it cannot be read."""
    with suppress(OSError, ValueError, TypeError):
        return {t.since: t for t in map(WorkerCounters.of, json.loads(path.read_bytes()))}
    return {}
