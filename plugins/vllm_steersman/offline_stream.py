"""Many requests through one engine in one stream, their results as they come.

`LLM.generate` returns when the last is finished; a sweep wants each answer on disk at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from steersman_vectors.errors import InternalError

from . import compat

AHEAD = 4
"""Requests handed to the engine, in multiples of what it runs at once: its queue never runs dry."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """A request that is ready to run."""

    index: int
    prompt: tuple[int, ...]
    params: Any
    order: tuple[tuple[int, ...], str, int, int]
    """Prompt, dose, seed, index: jobs run in this order. Equal beginnings of prompts are next to
    each other, and so are those of equal doses among them, so that each is computed once and found
    in the prefix cache before it is evicted."""


class Stream:
    """The one stream of an engine."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self._names = count()
        self._running: dict[str, int] = {}
        """Request id -> index, of what the engine has been handed."""

    def run(self, jobs: Sequence[Job], read: Callable[[int, Any], T]) -> Iterator[tuple[int, T]]:
        """Yields (index, `read(index, vLLM's output)`) of each job as it is finished.

        A stream that was left in the middle is given up when the next begins.
        """
        waiting = iter(sorted(jobs, key=lambda job: job.order))
        return self._results(waiting, read)

    def _results(
        self, waiting: Iterator[Job], read: Callable[[int, Any], T]
    ) -> Iterator[tuple[int, T]]:
        if self._running:
            compat.abort(self._llm, list(self._running))
        running = self._running = {}
        at_most = AHEAD * compat.max_running_requests(compat.config_of(self._llm))
        while True:
            while len(running) < at_most and (job := next(waiting, None)) is not None:
                name = f"offline-{next(self._names)}"
                compat.add_request(self._llm, name, job.prompt, job.params)
                running[name] = job.index
            if not running:
                return
            for output in compat.step(self._llm):
                if not output.finished or output.request_id not in running:
                    continue  # what was aborted may still say its last
                index = running.pop(output.request_id)
                yield index, read(index, output)
                if self._running is not running:
                    raise InternalError(
                        "this stream was given up when another began on the same engine. Take all "
                        "of one stream before the next",
                        code="stream_given_up",
                    )
