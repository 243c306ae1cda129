"""No process of a Steersman server, or of an offline engine, outlives the one that started it.

vLLM ends its engine and API processes when it stops in an orderly way. When its first process is
killed (SIGKILL, out of memory) some of them stay, hold their memory and may keep the port.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

from steersman_vectors.engine_contract import SERVER_ENV

OFFLINE_ENV = "STEERSMAN_OFFLINE"
"""Set where an offline engine is started: the process that did."""
POLL_S = 1.0
OURS = (SERVER_ENV, OFFLINE_ENV)
GRACE_S = 5.0
"""What a process gets to end by itself before it is killed."""


def end_with_parent() -> None:
    """Ends this process when its parent is gone; for those that Steersman started."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None or os.environ.keys().isdisjoint(OURS):
        return
    threading.Thread(
        target=_watch, args=(parent.pid,), name="steersman-parent-watch", daemon=True
    ).start()


def _watch(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
