"""sha256 of large files: in threads, and remembered as long as the file did not change.

A remembered hash counts only while path, size, mtime and ctime are what they were. A file written
less than two seconds before it was hashed is never remembered: a later write within the same tick
of the clock would leave no trace. A file in a Hugging Face cache is hashed as any other, and must
be what its name says (docs/adr/0005-hub-blobs-are-hashed.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .home import expand_home
from .hub_cache import check_blob
from .model_dir import unreadable
from .whole_file import write_whole

CHUNK_BYTES = 4 * 1024 * 1024
SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileHash:
    """A file's size in bytes and the hex sha256 of its content."""

    size: int
    sha256: str


Stamp = tuple[int, int, int]
"""(size, mtime_ns, ctime_ns)."""


class FileHashes:
    """Hashes files; remembers them in one JSON file that any process may replace at any time."""

    def __init__(self, cache_path: Path | None = None) -> None:
        self._cache_path = cache_path or default_cache_path()

    def sha256(
        self, paths: Iterable[Path], *, progress: Callable[[int, int], None] | None = None
    ) -> dict[Path, FileHash]:
        """Returns the hash of every path.

        Raises `CallerError(model_unreadable)` for a file that cannot be read or that changes
        meanwhile, `CallerError(model_damaged)` for one of the hub cache with another content than
        the hub's.
        """
        started_ns = time.time_ns()
        stamps = {path: _stamp(path) for path in paths}
        remembered = self._read()
        known = {p: h for p, s in stamps.items() if (h := _known(p, s, remembered)) is not None}
        todo = [path for path in stamps if path not in known]
        count = _Counter(sum(stamps[p][0] for p in todo), progress)
        if todo:
            with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
                fresh = dict(zip(todo, pool.map(lambda p: _hash(p, count), todo), strict=True))
            self._remember(fresh, stamps, started_ns)
            known.update(fresh)
        for path, sha256 in known.items():
            check_blob(path, sha256)
        return {path: FileHash(stamps[path][0], known[path]) for path in stamps}

    def _read(self) -> dict[str, list[object]]:
        try:
            entries = json.loads(self._cache_path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _remember(self, fresh: dict[Path, str], stamps: dict[Path, Stamp], started_ns: int) -> None:
        entries = self._read()
        for path, sha256 in fresh.items():
            before, after = stamps[path], _stamp(path)
            if after != before:
                raise unreadable(path, "a file that changed while it was being read")
            if max(before[1:]) < started_ns - SETTLED_NS:
                entries[_key(path)] = [*before, sha256]
        # A cache that cannot be written costs time at the next start, nothing else.
        with suppress(OSError):
            self._cache_path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._cache_path, json.dumps(entries).encode(), mode=0o600)


def default_cache_path() -> Path:
    """Returns `$XDG_CACHE_HOME/steersman/file-hashes.json`, below ~/.cache when that is not set.

    Raises `CallerError(path_unusable)`.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    remedy = "set XDG_CACHE_HOME to a folder for caches"
    return expand_home(base, remedy=remedy) / "steersman" / "file-hashes.json"


class _Counter:
    """Adds up hashed bytes from several threads and reports them one call at a time."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self._done += size
            if self._progress is not None:
                self._progress(self._done, self._total)


def _hash(path: Path, count: _Counter) -> str:
    sha256 = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK_BYTES):
                sha256.update(chunk)
                count.add(len(chunk))
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    return sha256.hexdigest()


def _known(path: Path, stamp: Stamp, remembered: dict[str, list[object]]) -> str | None:
    entry = remembered.get(_key(path))
    if not isinstance(entry, list) or entry[:3] != list(stamp) or len(entry) != 4:
        return None
    return entry[3] if isinstance(entry[3], str) else None


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for without end
        raise unreadable(path, "something that is not a plain file")
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _key(path: Path) -> str:
    return str(path.resolve())
