"""Looks on while the engine answers a sampled request, and hands over what it saw at the end.

The client's outputs go through unchanged and at once. What goes wrong on our side is counted and
never reaches the client.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from ..admission.decision import Decision
from ..engine.asked import Asked
from ..monitor.catalogue import SKIPPED
from .logprob_gate import LogprobGate
from .observed import Observed


@dataclass(slots=True)
class Answer:
    """One output of a request so far."""

    parts: list[str] = field(default_factory=list)
    """The text: what was added each time, or one part that is all of it."""
    tokens: int = 0
    logprob: float | None = None
    """Of all tokens so far, in nats."""
    finish_reason: str | None = None

    @property
    def mean_logprob(self) -> float | None:
        """Returns the mean over the tokens; None where it is not known or no number."""
        if self.logprob is None or self.tokens == 0 or not math.isfinite(self.logprob):
            return None
        return self.logprob / self.tokens


class Tap:
    """One sampled request; `through` is called for every time that it asks the engine."""

    def __init__(
        self,
        request_id: str,
        decision: Decision,
        prompt: str,
        take: Callable[[Observed], None],
        gate: LogprobGate,
        answered: Callable[[Asked, Observed], None] | None = None,
    ) -> None:
        """Looks on at one request.

        Args:
            request_id: As the decision log has it.
            decision: What was decided.
            prompt: The latest user turn.
            take: Called with each answer at its end; must not wait.
            gate: Says whether this one may ask for log-probabilities.
            answered: Called once, with the first answer of the first call of the engine.
        """
        self._request_id = request_id
        self._decision = decision
        self._prompt = prompt
        self._take = take
        self._gate = gate
        self._answered = answered

    async def through(
        self,
        generate: Callable[[bool], tuple[Asked, AsyncGenerator[Any, None]]],
        *,
        deltas: bool,
        may_ask: bool,
    ) -> AsyncGenerator[Any, None]:
        """Yields vLLM's outputs as they are; asks for none before the first is wanted.

        Args:
            generate: Asks the engine, told whether to want log-probabilities too; gives what it
                asked and the `RequestOutput`s.
            deltas: Whether each holds what was added since the last, and not all there is.
            may_ask: Whether log-probabilities can be had that the client has not asked for.
        """
        answers: dict[int, Answer] = {}
        with self._gate.turn() if may_ask else nullcontext(False) as asks:
            asked, outputs = generate(asks)
            try:
                async for output in outputs:
                    try:
                        note(answers, output, deltas)
                    except Exception:  # whatever it is, the client's answer goes on
                        SKIPPED.labels("error").inc()
                        answers = _Deaf()
                    yield output
            finally:
                self._hand_over(answers, asked)
                # Where the client has gone, vLLM frees the request when its generator is closed.
                await outputs.aclose()

    def _hand_over(self, answers: dict[int, Answer], asked: Asked) -> None:
        at = time.time()
        answered, self._answered = self._answered, None
        try:
            for index, answer in answers.items():
                observed = Observed(
                    self._request_id, self._decision, self._prompt, "".join(answer.parts),
                    answer.finish_reason, answer.tokens, answer.mean_logprob, at,
                )  # fmt: skip
                self._take(observed)
                if index == 0 and answered is not None:
                    answered(asked, observed)
        except Exception:  # as above
            SKIPPED.labels("error").inc()


class _Deaf(dict[int, Answer]):
    """Stands for answers that could not be followed: stays empty, and is not tried again."""


def note(answers: dict[int, Answer], output: Any, deltas: bool) -> None:
    """Adds one `RequestOutput` to what was seen of each of its answers."""
    if type(answers) is _Deaf:
        return
    for each in output.outputs:
        answer = answers.get(each.index)
        if answer is None:
            answer = answers[each.index] = Answer()
        if deltas:
            answer.parts.append(each.text)
            answer.tokens += len(each.token_ids)
        else:
            answer.parts = [each.text]
            answer.tokens = len(each.token_ids)
        answer.logprob = each.cumulative_logprob
        if each.finish_reason is not None:
            answer.finish_reason = each.finish_reason
