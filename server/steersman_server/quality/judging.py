"""Judges sampled answers in a thread of its own, beside the requests.

Nobody waits for it: what does not fit is counted and forgotten. Answers wait for others, so that
the thread wakes seldom, and after each it lets go of the interpreter, so that the event loop waits
for one answer's judgement at most.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import structlog

from steersman_vectors.quality.judge import judge
from steersman_vectors.quality.judgement import Judgement

from ..monitor.catalogue import SKIPPED
from .observed import Observed

log = structlog.get_logger("steersman.quality")

OnJudged = Callable[[Observed, Judgement], None]
"""Called from the judging thread, once for each answer."""
_Waiting = tuple[Observed, OnJudged | None]
"""An answer, and who alone wants to know of it; None: all of `told`."""
MAX_WAITING = 1000
MAX_WAITING_CHARS = 8_000_000
EVERY_S = 0.2


class Judging:
    """Takes answers from the event loop; tells those who want to know, in order."""

    def __init__(self, *told: OnJudged) -> None:
        self.told: list[OnJudged] = list(told)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._taken_chars = 0
        """Written by those who give answers."""
        self._judged_chars = 0
        """Written by the thread; the difference is what waits."""
        self._thread: threading.Thread | None = None
        self._failed = 0

    def take(self, observed: Observed, only: OnJudged | None = None) -> None:
        """Has an answer judged, soon; called from the event loop, never waits.

        only: who is told of it, and nobody else, where no client was given this answer.
        """
        chars = len(observed.text)
        waiting = self._taken_chars - self._judged_chars
        if self._waiting.qsize() >= MAX_WAITING or waiting + chars > MAX_WAITING_CHARS:
            SKIPPED.labels("busy").inc()
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
            self._thread.start()
        self._taken_chars += chars
        self._waiting.put((observed, only))

    def close(self) -> None:
        """Returns when what was taken is judged."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(timeout=5.0)
            self._thread = None

    def _run(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            observed, only = waiting
            if self._waiting.empty():
                time.sleep(EVERY_S)
            self._judge(observed, self.told if only is None else [only])
            self._judged_chars += len(observed.text)
            time.sleep(0.0)

    def _judge(self, observed: Observed, to_tell: list[OnJudged]) -> None:
        try:
            judgement = judge(observed.prompt, observed.text, observed.finish_reason)
            for told in to_tell:
                told(observed, judgement)
        except Exception as error:  # the outermost loop of the thread: the next answer is judged
            SKIPPED.labels("error").inc()
            self._failed += 1
            if self._failed == 1:  # the type only: a message may hold the text
                log.error("answer_not_judged", error=type(error).__name__)
