"""Runs a command for as long as its owner lives. Executed as a script, imports nothing of ours.

    python -I -S watchdog.py OWNER_PID LOCK_FD COMMAND...

The owner holds the other end of the socket that is stdin: end of file means that the owner shut it
or died. The parent's pid is watched too, because a child that the owner forked may hold that end
open. The command inherits the socket and LOCK_FD: the owner reads end of file when both of us have
ended, and the lock lasts until then. On Linux the command dies with the watchdog, and the watchdog
ends with the command, whose status is its own.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys

TICK_S = 0.25
GRACE_S = 5.0
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 when the owner ended, else the command's."""
    owner_pid, lock_fd, command = int(argv[1]), int(argv[2]), argv[3:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the owner decides when to end
    child = start(command, lock_fd)
    while child.poll() is None:
        if owner_ended(owner_pid):
            end(child)
            return 0
    return abs(int(child.returncode))


def start(command: list[str], lock_fd: int) -> subprocess.Popen[bytes]:
    """Returns the running command, which dies with this process."""
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def before_exec() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(command, pass_fds=(lock_fd,), preexec_fn=before_exec)


def owner_ended(owner_pid: int) -> bool:
    """Returns whether the owner ended; waits up to a tick for it."""
    readable, _, _ = select.select([0], [], [], TICK_S)
    return (bool(readable) and not os.read(0, 1)) or os.getppid() != owner_pid


def end(child: subprocess.Popen[bytes]) -> None:
    """Returns when the command has ended: in good order, or killed after the grace time."""
    child.terminate()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
