"""A Valkey for a server's whole life: when a run of it ends before the server, the next starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import structlog

from ..errors import OperatorError
from .valkey_run import ValkeyRun

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
STEADY_S = 30.0
"""What a run must last for the delays to begin anew after it."""

log = structlog.get_logger("steersman.registry")


class Supervision:
    """Starts run after run in a thread of its own, until `close`."""

    def __init__(self, start: Callable[[], ValkeyRun]) -> None:
        self._start = start
        self._run = start()
        self._ending = threading.Event()
        self._thread = threading.Thread(
            target=self._supervise, name="steersman-registry", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Returns when the last run has ended."""
        self._ending.set()
        self._run.end()
        self._thread.join()
        self._run.close()

    def _supervise(self) -> None:
        delays = _delays()
        while True:
            began_s = time.monotonic()
            status = self._run.wait()
            if self._ending.is_set():
                return
            log.warning("registry_ended", status=status, then="it is started again")
            if time.monotonic() - began_s >= STEADY_S:
                delays = _delays()
            self._next(delays)

    def _next(self, delays: Iterator[float]) -> None:
        """Starts the next run, however often that fails, unless the end comes first."""
        for delay_s in delays:
            if self._ending.wait(delay_s):
                return
            try:
                run = self._start()
            except OperatorError as error:
                log.warning(error.code, message=error.message)
                continue
            self._run.close()
            self._run = run
            # NOTE: `close` sets `_ending` before it lets go of a run, so one of the two lets go.
            if self._ending.is_set():
                run.let_go()
            return


def _delays() -> Iterator[float]:
    delay_s = FIRST_DELAY_S
    while True:
        yield delay_s
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)
