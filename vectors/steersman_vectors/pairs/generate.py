"""Has a model write pairs for a concept: topics first, then some pairs for each of them.

Whatever the model writes goes through the reader, and a line is handed on as soon as it is there.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..asking.endpoint import ChatEndpoint
from ..asking.model_json import after_thoughts, strings_in
from ..errors import CallerError, SteersmanError
from ..extract.contract import Progress
from ..quality.refusal import refuses
from .generated import Intake, clean_topics
from .line import Line
from .templates import PairTemplate

PER_ASK = 5
"""Pairs wanted of one answer: more of them get alike, and are cut."""
MAX_TOPICS = 60
"""Wanted of one answer."""
TOPIC_ATTEMPTS = 3
BARREN = 6
"""Answers in a row without a new line, after which the model is given up."""
Ended = Literal["count", "max_requests", "max_tokens", "no_progress"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted, and what it may cost."""

    concept: str
    count: int
    """Lines in all, with those that are there."""
    template: PairTemplate
    topics: PairTemplate
    seed: int | None = None
    """Of the first request; each next one has the next."""
    concurrency: int = 4
    max_requests: int | None = None
    max_tokens: int | None = None
    """Of all requests and answers together; what runs when it is reached may go beyond."""

    @property
    def requests(self) -> int:
        """The most requests, retries of a busy server aside."""
        enough = TOPIC_ATTEMPTS + BARREN + 3 * math.ceil(self.count / PER_ASK)
        return enough if self.max_requests is None else self.max_requests


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of it."""

    written: int
    """New lines."""
    in_all: int
    requests: int
    tokens: int
    refused: Mapping[str, int]
    """What was not taken: `invalid`, `duplicate`, `no_json`, `refusal`."""
    ended: Ended


async def generate(
    endpoint: ChatEndpoint,
    order: Order,
    known: Sequence[Line],
    write: Callable[[bytes], None],
    progress: Progress | None = None,
) -> Generated:
    """Writes new lines until there are `order.count`; `endpoint` is open.

    Args:
        endpoint: Who is asked.
        order: What is wanted.
        known: Lines of an earlier run; nothing like them is written again.
        write: Called with each new line as it comes, its line end included.
        progress: Told how many lines there are.

    Raises:
        SteersmanError: What `ChatEndpoint.ask` raises; lines written before stay.
        CallerError: `generator_unusable` when the model writes no line that can be used.
    """
    run = _Run(endpoint, order, known, write, progress)
    if run.wanted > 0:
        await run.find_topics()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(order.concurrency, math.ceil(run.wanted / PER_ASK))):
                    group.create_task(run.work())
        except* SteersmanError as errors:
            raise _first(errors) from None
    return run.outcome()


class _Run:
    """One run: what was asked, what came, and what to ask next."""

    def __init__(
        self,
        endpoint: ChatEndpoint,
        order: Order,
        known: Sequence[Line],
        write: Callable[[bytes], None],
        progress: Progress | None,
    ) -> None:
        self.endpoint, self.order, self.write, self.progress = endpoint, order, write, progress
        self.intake = Intake(known)
        self.before = len(known)
        self.requests = self.tokens = self.running = self.barren = 0
        topics = (line.meta.get("topic") for line in known)
        self.per_topic = Counter(topic for topic in topics if isinstance(topic, str))
        self.topics: list[str] = []

    @property
    def wanted(self) -> int:
        return self.order.count - len(self.intake.lines)

    async def find_topics(self) -> None:
        wanted = min(MAX_TOPICS, math.ceil(self.order.count / PER_ASK))
        question = self.order.topics.ask(concept=self.order.concept, count=wanted)
        said = ""
        for _ in range(TOPIC_ATTEMPTS):
            if self.spent() is not None:
                break
            said = await self.ask(question)
            self.topics = clean_topics(strings_in(said, "topics"), wanted)
            if self.topics:
                return
        what = "declines" if refuses(said) else "writes no JSON"
        raise self.unusable(f"{what} when asked for topics; it wrote {said[:120]!r}")

    async def work(self) -> None:
        while (topic := self.next_topic()) is not None:
            order, n = self.order, min(PER_ASK, self.wanted)
            self.running += 1
            self.per_topic[topic] += n  # so that the others ask about something else meanwhile
            try:
                said = await self.ask(
                    order.template.ask(concept=order.concept, topic=topic, count=n)
                )
            finally:
                self.running -= 1
                self.per_topic[topic] -= n
            meta = {"concept": order.concept, "topic": topic, "model": self.endpoint.model,
                    "template": order.template.name}  # fmt: skip
            lines = self.intake.take(said, meta, self.wanted)
            for line in lines:
                self.write(line)
            self.per_topic[topic] += len(lines)
            self.barren = 0 if lines else self.barren + 1
            if self.barren >= BARREN and len(self.intake.lines) == self.before == 0:
                raise self.unusable(
                    f"gave no line that can be used in {self.barren} answers; at last "
                    f"{self.intake.last_problem}"
                )
            if self.progress is not None:
                self.progress(len(self.intake.lines), order.count)

    async def ask(self, question: str) -> str:
        seed = self.order.seed
        options = {} if seed is None else {"seed": seed + self.requests}
        self.requests += 1
        said = await self.endpoint.ask(question, **options)
        self.tokens += said.tokens
        return after_thoughts(said.text)

    def next_topic(self) -> str | None:
        """Returns the topic with the fewest lines, or None when there is nothing to ask."""
        if self.spent() is not None or self.wanted <= self.running * PER_ASK:
            return None
        return min(self.topics, key=self.per_topic.__getitem__)

    def spent(self) -> Ended | None:
        """Returns why nothing more may be asked."""
        order = self.order
        if self.wanted <= 0:
            return "count"
        if self.requests >= order.requests:
            return "max_requests"
        if order.max_tokens is not None and self.tokens >= order.max_tokens:
            return "max_tokens"
        return "no_progress" if self.barren >= BARREN else None

    def outcome(self) -> Generated:
        in_all = len(self.intake.lines)
        ended = self.spent() or "no_progress"
        if in_all == 0:
            raise self.unusable(
                f"gave no line that can be used; at last {self.intake.last_problem}"
            )
        return Generated(
            in_all - self.before,
            in_all,
            self.requests,
            self.tokens,
            dict(self.intake.refused),
            ended,
        )

    def unusable(self, what: str) -> CallerError:
        return CallerError(
            f"the model {self.endpoint.model!r} {what}. Nothing was written. Choose a model that "
            "follows instructions (--model), or change the template (--template)",
            code="generator_unusable",
            param="model",
        )


def _first(errors: BaseExceptionGroup[SteersmanError]) -> SteersmanError:
    for error in errors.exceptions:
        if isinstance(error, SteersmanError):
            return error
    return _first(errors.exceptions[0])  # type: ignore[arg-type]
