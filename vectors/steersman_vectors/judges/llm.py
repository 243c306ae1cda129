"""A language model as a judge, over any OpenAI-compatible endpoint, by a rubric."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from queue import SimpleQueue

from ..asking.endpoint import ChatEndpoint
from ..errors import CallerError, SteersmanError
from .background import background
from .contract import Judgeable, Measure, Verdict
from .panel import Asking, Estimate, Seat, checked_panel
from .question_text import Asked, fill
from .reply_cache import Reply, ReplyCache, key_of
from .rubric import Rubric
from .score import Score, score_in
from .spending import Limits, Spending, estimated_tokens
from .vote import decide


@dataclass(frozen=True, slots=True)
class _Call:
    index: int
    sample: int
    swapped: bool
    asked: Asked


class LlmJudge:
    """`Judge` by a model's score of each answer."""

    def __init__(
        self,
        rubric: Rubric,
        panel: Sequence[Seat],
        cache: ReplyCache,
        *,
        concept: str = "",
        asking: Asking | None = None,
        spending: Spending | None = None,
    ) -> None:
        """Asks nothing yet.

        Args:
            rubric: What is asked of each answer.
            panel: Who is asked.
            cache: Where replies are kept.
            concept: What the vector is for; fills {concept}.
            asking: How; None: once each, at temperature 0.
            spending: Shared by the judges of a run, so that its limits hold for them together.

        Raises:
            CallerError: `invalid_option`.
        """
        asking = asking or Asking()
        checked_panel(panel, asking)
        if "concept" in rubric.needs and not concept.strip():
            raise CallerError(
                f"the rubric {rubric.name!r} asks about a concept: say which with --concept",
                code="invalid_option",
                param="concept",
            )
        unit = f"points of {rubric.high:g}"
        name = f"llm:{rubric.name}"
        self.measure = Measure(name, rubric.better, rubric.low, rubric.high, unit)
        self.spending = spending or Spending(Limits())
        self._rubric, self._panel, self._cache = rubric, tuple(panel), cache
        self._concept, self._asking = concept, asking
        self._asking_now: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def judge(self, items: Sequence[Judgeable]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index, verdict) as all calls about an answer are done.

        Raises `OperatorError`: `budget_spent`, `endpoint_unreachable`, `endpoint_busy`, ...;
        `CallerError`: `endpoint_unauthorized`, `endpoint_not_found`. Calls in flight are waited
        for, and their replies kept, before it is raised.
        """
        come: SimpleQueue[tuple[int, Verdict] | BaseException | None] = SimpleQueue()
        with background(lambda: self._all(items, come.put), come.put):
            while (one := come.get()) is not None:
                if isinstance(one, BaseException):
                    raise one
                yield one

    def estimate(self, items: Sequence[Judgeable]) -> Estimate:
        """Returns what `judge` would take; asks nobody, so of seats without a model all is new."""
        calls = cached = prompt = 0
        for call in self._calls(items):
            calls += 1
            seat = self._panel[call.sample % len(self._panel)]
            if seat.model is not None and self._cache.get(self._key(call, seat.model)):
                cached += 1
            else:
                prompt += estimated_tokens(call.asked.chars)
        reply = (calls - cached) * self._asking.max_reply_tokens
        return Estimate(calls, cached, prompt, reply, self.spending.limits.cost(prompt, reply))

    async def _all(
        self, items: Sequence[Judgeable], tell: Callable[[tuple[int, Verdict]], None]
    ) -> None:
        needs_baseline = "baseline" in self._rubric.needs
        for index, item in enumerate(items):
            if needs_baseline and item.baseline is None:
                tell((index, Verdict(None, "there is no unsteered answer to compare with")))
        scores: dict[int, dict[tuple[int, bool], Score]] = {}
        orders = 2 if self._rubric.orders == "both" else 1
        failures: list[SteersmanError] = []
        calls = self._calls(items)
        async with AsyncExitStack() as stack:
            seats = [await stack.enter_async_context(self._endpoint(seat)) for seat in self._panel]

            async def work() -> None:
                for call in calls:
                    if failures:
                        return
                    try:
                        score = await self._score(call, seats[call.sample % len(seats)])
                    except SteersmanError as error:
                        failures.append(error)
                        return
                    of_item = scores.setdefault(call.index, {})
                    of_item[call.sample, call.swapped] = score
                    if len(of_item) == self._asking.calls * orders:
                        tell((call.index, self._verdict(scores.pop(call.index))))

            await asyncio.gather(*(work() for _ in range(self._asking.concurrency)))
        if failures:
            raise failures[0]

    def _calls(self, items: Sequence[Judgeable]) -> Iterator[_Call]:
        for index, item in enumerate(items):
            if "baseline" in self._rubric.needs and item.baseline is None:
                continue
            asked = [fill(self._rubric, self._concept, item)]
            if self._rubric.orders == "both":
                asked.append(fill(self._rubric, self._concept, item, swapped=True))
            for sample in range(self._asking.calls):
                for swapped, each in enumerate(asked):
                    yield _Call(index, sample, bool(swapped), each)

    def _endpoint(self, seat: Seat) -> ChatEndpoint:
        asking = self._asking
        return ChatEndpoint(
            seat.url,
            model=seat.model,
            key=seat.key,
            patience=asking.patience,
            connections=asking.concurrency,
        )

    async def _score(self, call: _Call, seat: ChatEndpoint) -> Score:
        assert seat.model is not None, "an endpoint that is open knows its model"
        key = self._key(call, seat.model)
        async with self._asking_now[key]:  # the same answer may be there under two doses
            reply = self._cache.get(key)
            if reply is None:
                try:
                    reply = await self._reply(call, seat)
                except CallerError as error:
                    if error.code != "endpoint_refused":
                        raise
                    return Score(None, error.message)  # this text: too long, or against its rules
                self._cache.put(key, reply)
        score = score_in(reply.text, self._rubric.low, self._rubric.high)
        if score.value is None and reply.finish_reason == "length":
            return Score(None, f"the reply was cut at its token limit; {score.why}")
        return score

    async def _reply(self, call: _Call, seat: ChatEndpoint) -> Reply:
        reserved = self.spending.reserve(call.asked.chars, self._asking.max_reply_tokens)
        try:
            said = await seat.ask(
                call.asked.system + call.asked.user,
                messages=call.asked.as_messages(),
                **self._asking.fields(call.sample, len(self._panel)),
            )
        except CallerError:
            self.spending.settle(reserved, 0, 0)  # refused, so nothing was generated
            raise
        self.spending.settle(reserved, said.prompt_tokens, said.answer_tokens)
        return Reply(said.text, said.finish_reason, said.prompt_tokens, said.answer_tokens)

    def _key(self, call: _Call, model: str) -> str:
        return key_of(
            model=model,
            rubric=self._rubric.digest,
            messages=call.asked.as_messages(),
            sample=call.sample,
            fields=self._asking.fields(call.sample, len(self._panel)),
        )

    def _verdict(self, scores: Mapping[tuple[int, bool], Score]) -> Verdict:
        samples = [self._of_sample(scores, sample) for sample in range(self._asking.calls)]
        decided = decide([each.value for each in samples], self._rubric.vote)
        if decided.value is None:
            faults = {each.why for each in samples if each.value is None}
            return Verdict(None, "; ".join([decided.why, *sorted(faults)]))
        nearest = min(
            (each for each in samples if each.value is not None),
            key=lambda each: abs((each.value or 0.0) - (decided.value or 0.0)),
        )
        return Verdict(decided.value, ": ".join(filter(None, [decided.why, nearest.why])))

    def _of_sample(self, scores: Mapping[tuple[int, bool], Score], sample: int) -> Score:
        first = scores[sample, False]
        if self._rubric.orders == "one":
            return first
        second = scores[sample, True]
        if first.value is None or second.value is None:
            return Score(None, first.why if first.value is None else second.why)
        apart = abs(first.value - second.value)
        why = first.why
        if apart > (self._rubric.high - self._rubric.low) / 2:
            why = f"the two orders disagree, {first.value:g} and {second.value:g}: {why}"
        return Score((first.value + second.value) / 2, why)
