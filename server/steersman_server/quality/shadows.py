"""Runs some steered requests once more, unsteered, when their answers are finished.

Nobody waits for it: one at a time in each API process, while the engine has room, and behind all
others where that goes by priority. What is not run is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import structlog

from ..admission.decision import Decision
from ..engine.asked import Asked, EngineLoad
from ..monitor.catalogue import SKIPPED
from .judging import OnJudged
from .observed import Observed
from .pair_metrics import count_pair
from .pairs import has_room
from .sampler import is_sampled
from .tap import Answer, note

log = structlog.get_logger("steersman.quality")

ENDED = ("stop", "length")
"""Of an answer that somebody cut off there is nothing to compare."""


class Engine(Protocol):
    """What runs shadows."""

    def load(self) -> EngineLoad:
        """Returns how busy it is."""
        ...

    def can_repeat(self, asked: Asked) -> bool:
        """Returns whether the same can be asked again, alone."""
        ...

    def unsteered(self, asked: Asked) -> AsyncGenerator[Any, None]:
        """Yields vLLM's outputs, each with what was added, of the same request without a plan."""
        ...


class Shadows:
    """The shadow runs of one API process."""

    def __init__(
        self,
        rate: float,
        engine: Engine,
        judge: Callable[[Observed, OnJudged], None],
        processes: int = 1,
    ) -> None:
        """Begins with none.

        Args:
            rate: Share of all requests, 0 to 1; of these the steered ones have a shadow.
            engine: What runs them.
            judge: Has an answer judged, and calls the hook then.
            processes: API processes that share the engine.
        """
        self._rate = rate
        self._engine = engine
        self._judge = judge
        self._processes = processes
        self._failed = 0
        self.running: asyncio.Task[None] | None = None

    def wants(self, request_id: str, decision: Decision) -> bool:
        """Returns whether a request that is let in is to have a shadow."""
        return decision.plan is not None and is_sampled(request_id, self._rate)

    def answered(self, asked: Asked, steered: Observed) -> None:
        """Begins the shadow of an answer that is finished, or counts why not; never waits."""
        if steered.finish_reason not in ENDED:
            return
        if not self._engine.can_repeat(asked):
            SKIPPED.labels("shadow_unsuitable").inc()
        elif self.running is not None or not has_room(self._engine.load(), self._processes):
            SKIPPED.labels("shadow_busy").inc()
        else:
            self.running = asyncio.get_running_loop().create_task(self._run(asked, steered))
            self.running.add_done_callback(self._ended)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self.running = None

    async def _run(self, asked: Asked, steered: Observed) -> None:
        try:
            answer = await self._answer(asked)
        except Exception as error:  # the outermost of this task: the next one is run
            SKIPPED.labels("shadow_error").inc()
            self._failed += 1
            if self._failed == 1:  # the type only: a message may hold the text
                log.error("shadow_failed", error=type(error).__name__)
            return
        if answer is None:
            SKIPPED.labels("shadow_busy").inc()
            return
        unsteered = Observed(
            steered.request_id, replace(steered.decision, plan=None, applied=()), steered.prompt,
            "".join(answer.parts), answer.finish_reason, answer.tokens, answer.mean_logprob,
            time.time(),
        )  # fmt: skip
        self._judge(unsteered, partial(count_pair, steered))

    async def _answer(self, asked: Asked) -> Answer | None:
        """Returns the unsteered answer; None once it would stand in somebody's way."""
        answers: dict[int, Answer] = {}
        async with aclosing(self._engine.unsteered(asked)) as outputs:
            async for output in outputs:
                note(answers, output, deltas=True)
                answer = answers.get(0)
                if answer is not None and answer.finish_reason is not None:
                    return answer
                if not has_room(self._engine.load(), self._processes, own=1):
                    return None
        return None
