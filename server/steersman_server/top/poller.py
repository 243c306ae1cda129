"""Samples from a thread of its own, so that keys work while a server is slow to answer."""

from __future__ import annotations

import queue
import threading
import time

from steersman_vectors.errors import InternalError, SteersmanError

from .sample import Sample
from .source import Source

Outcome = Sample | SteersmanError


class Poller:
    """Scrapes every interval; what came is taken when there is time."""

    def __init__(self, source: Source, interval_s: float) -> None:
        self._source = source
        self._interval_s = interval_s
        self._came: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._stop = threading.Event()
        # A daemon: whoever quits does not wait for a server that does not answer.
        self._thread = threading.Thread(target=self._run, name="top-poller", daemon=True)

    def start(self) -> None:
        """Begins, the next sample an interval from now."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the scrape that is under way."""
        self._stop.set()

    def take(self) -> list[Outcome]:
        """Returns what came since the last call, oldest first."""
        found = []
        while not self._came.empty():
            found.append(self._came.get())
        return found

    def _run(self) -> None:
        due = time.monotonic() + self._interval_s
        while not self._stop.wait(max(due - time.monotonic(), 0.0)):
            try:
                self._came.put(self._source.sample())
            except SteersmanError as error:
                self._came.put(error)
            except Exception as error:
                if self._stop.is_set():  # the connection was closed under it
                    return
                # Whatever it is: told on the screen, which would stand still without a word.
                self._came.put(InternalError(f"{type(error).__name__}: {error}", code="internal"))
            # Scrapes that were missed are not made up for.
            due = max(due + self._interval_s, time.monotonic())
