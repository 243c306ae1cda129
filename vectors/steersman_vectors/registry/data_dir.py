"""Who holds a data directory: a lock that lasts as long as its owner and its Valkey."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Literal

from ..errors import OperatorError
from ..home import expand_home
from .owner_only import owner_only

Role = Literal["server", "command"]
LOCK_FILE = "lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that a data directory's registry belongs to at present."""

    pid: int
    role: Role
    """A server's registry may be shared; a command's ends with the command."""
    since: str

    def __str__(self) -> str:
        return f"pid {self.pid} (a {self.role}, since {self.since})"


def registry_dir(data_dir: Path) -> Path:
    """Returns where the registry of a data directory lives.

    Raises `CallerError(path_unusable)` for the home directory of nobody.
    """
    remedy = "choose another data directory"
    return expand_home(data_dir, remedy=remedy).absolute() / "registry"


def prepare(data_dir: Path) -> Path:
    """Returns the registry's folder, made if need be, which only this user can enter.

    Raises `OperatorError(data_dir_unusable)`.
    """
    folder = registry_dir(data_dir)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stat = folder.stat()
        if stat.st_uid != os.geteuid():
            raise _unusable(folder, f"a folder of user {stat.st_uid}, not of user {os.geteuid()}")
        if stat.st_mode & 0o777 != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise _unusable(folder, error.strerror or str(error)) from error
    return folder


def try_lock(folder: Path, role: Role) -> FileIO | None:
    """Returns the file that holds the lock, or None when another process has it.

    The lock lasts until this file and every copy of it that was passed to a process executed from
    here is closed, however the processes end. A forked child has none.
    """
    try:
        fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(folder, error.strerror or str(error)) from error
    file = owner_only(FileIO(fd, "r+"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError as error:
        file.close()
        raise _unusable(folder, f"no file locks ({error.strerror})") from error
    holder = Holder(os.getpid(), role, datetime.now(UTC).isoformat(timespec="seconds"))
    file.truncate(0)
    file.write(json.dumps(asdict(holder)).encode())
    return file


def read_holder(folder: Path) -> Holder | None:
    """Returns who took the lock last; None while nobody has written it down."""
    with suppress(OSError, ValueError, TypeError):
        return Holder(**json.loads((folder / LOCK_FILE).read_bytes()))
    return None


def held(folder: Path, waited_s: float) -> OperatorError:
    """Returns the error for a data directory that somebody else does not let go."""
    who = read_holder(folder) or "a process that did not leave its name"
    return OperatorError(
        f"the data directory {folder.parent} is in use by {who}: waited {waited_s:g} s. "
        "Stop that process, or choose another --data-dir",
        code="data_dir_held",
    )


def _unusable(folder: Path, got: str) -> OperatorError:
    return OperatorError(
        f"the data directory {folder.parent} cannot be used: {folder}: {got}. Expected a folder on "
        "a local disk that belongs to the user who runs Steersman; choose one with --data-dir",
        code="data_dir_unusable",
    )
