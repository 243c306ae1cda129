"""The private Valkey of a data directory: for the server's life, or for one command.

    DATA_DIR/registry/          0700
        lock                    flock, with the holder's pid and role
        valkey.sock             the only way in: there is no TCP port
        appendonlydir/          every acknowledged change, on disk before it is acknowledged
        valkey.log

A server keeps the directory for its life, and a Valkey in it, whatever ends that Valkey; commands
attach to a server's registry. A command that finds none starts its own and ends it; whoever comes
meanwhile waits for that, for a bounded time.
Everything here blocks: call it from a coroutine with `asyncio.to_thread`.
"""

from __future__ import annotations

import time
from functools import partial
from io import FileIO
from pathlib import Path

from . import data_dir as directory
from .data_dir import Role
from .supervision import Supervision
from .unix_socket import SocketAddress
from .valkey_run import ValkeyRun

SERVER_WAIT_S = 3.0
COMMAND_WAIT_S = 10.0
POLL_S = 0.01


class Started:
    """The Valkey that this process started, and the lock that it keeps for as long."""

    def __init__(self, folder: Path, address: SocketAddress, lock: FileIO, role: Role) -> None:
        self._lock = lock
        start = partial(ValkeyRun.start, folder, address, lock.fileno())
        try:
            self._valkey = Supervision(start) if role == "server" else start()
        except BaseException:
            lock.close()
            raise

    def close(self) -> None:
        """Ends the Valkey and lets the data directory go."""
        self._valkey.close()
        self._lock.close()


class Embedded:
    """A registry that answers at `url` until `close`; a context manager."""

    def __init__(self, address: SocketAddress, started: Started | None) -> None:
        self._address = address
        self._started = started
        self.url = address.url

    @property
    def owned(self) -> bool:
        """Whether this process started the Valkey, and so ends it."""
        return self._started is not None

    def close(self) -> None:
        """Ends the Valkey, and returns when it has ended, if this process started it."""
        if self._started is not None:
            self._started.close()
            self._started = None
        self._address.close()

    def __enter__(self) -> Embedded:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_registry(data_dir: Path, *, wait_s: float = SERVER_WAIT_S) -> Embedded:
    """Returns the data directory's registry, started for a server.

    Raises `OperatorError`: `data_dir_held` when another process keeps it for more than `wait_s`,
    `data_dir_unusable`, or `registry_unavailable` when Valkey does not start.
    """
    return _open(data_dir, "server", wait_s)


def attach_or_start(data_dir: Path, *, wait_s: float = COMMAND_WAIT_S) -> Embedded:
    """Returns the data directory's registry for one command: a running server's, or its own.

    Raises what `open_registry` raises.
    """
    return _open(data_dir, "command", wait_s)


def exists(data_dir: Path) -> bool:
    """Returns whether a registry was ever started in this data directory."""
    return (directory.registry_dir(data_dir) / directory.LOCK_FILE).exists()


def check_not_served(data_dir: Path) -> None:
    """Raises `OperatorError(data_dir_held)` at once when a server keeps the data directory.

    For the beginning of a start that takes long: `open_registry` has the last word.
    """
    if not exists(data_dir):
        return
    folder = directory.registry_dir(data_dir)
    lock = directory.try_lock(folder, "server")
    if lock is not None:
        lock.close()
        return
    holder = directory.read_holder(folder)
    if holder is not None and holder.role == "server":
        raise directory.held(folder, 0.0)


def _open(data_dir: Path, role: Role, wait_s: float) -> Embedded:
    folder = directory.prepare(data_dir)
    deadline_s = time.monotonic() + wait_s
    address = SocketAddress(folder)
    try:
        while True:
            lock = directory.try_lock(folder, role)
            if lock is not None:
                return Embedded(address, Started(folder, address, lock, role))
            if role == "command" and _is_served(folder, address):
                return Embedded(address, None)
            if time.monotonic() > deadline_s:
                raise directory.held(folder, wait_s)
            time.sleep(POLL_S)
    except BaseException:
        address.close()
        raise


def _is_served(folder: Path, address: SocketAddress) -> bool:
    # NOTE: in this order. The holder is written before its Valkey starts, so an answer proves that
    # what is read next is not the holder before.
    holder = directory.read_holder(folder) if address.answers() else None
    return holder is not None and holder.role == "server"
