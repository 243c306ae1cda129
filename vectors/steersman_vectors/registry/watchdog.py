"""Runs a command for as long as its owner lives. Executed as a script, imports nothing of ours.

    python -I -S watchdog.py OWNER_PID LOCK_FD MIN_LIFE_S COMMAND...

The owner holds the other end of stdin: end of file means that the owner closed it or died. The
parent's pid is watched too, because a child that the owner forked may hold that end open. The
command inherits LOCK_FD, so the lock lasts until the last of both has ended; on Linux it dies with
the watchdog. A command that crashes after MIN_LIFE_S seconds is started again; one that crashes
earlier, or ends in good order, ends the watchdog with its status.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

TICK_S = 0.25
GRACE_S = 5.0
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 when the owner ended, else the command's."""
    owner_pid, lock_fd, min_life_s, command = int(argv[1]), int(argv[2]), float(argv[3]), argv[4:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the owner decides when to end
    while True:
        started_s = time.monotonic()
        child = start(command, lock_fd)
        while child.poll() is None:
            if owner_ended(owner_pid):
                end(child)
                return 0
        if child.returncode == 0 or time.monotonic() - started_s < min_life_s:
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

    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, pass_fds=(lock_fd,), preexec_fn=before_exec
    )


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
