"""What an API process spends on watching its requests: real admission, with less or more of it.

Processor time of all threads: the decision log's writer and the judge are in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from steersman_server.admission.inbound import LOCAL_CALLER
from steersman_server.engine.self_test import SelfTest
from steersman_server.openai.body import Body
from steersman_server.quality.sampler import QUALITY_SAMPLE
from steersman_server.service import SteeringService
from steersman_server.settings import ServerSettings
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.registry.local_copy import LocalCopy
from tests.bench.test_quality import prose
from tests.unit.server.fakes import FakeLink
from tests.unit.server.samples import ENGINE, SNAPSHOT

CHAT = "/v1/chat/completions"
FIELD = {"vectors": {"empathy": "low"}}
TOKENS, REQUESTS, ROUNDS = 64, 2000, 9
PROMPT = "I was charged twice for order 48213 and would like my money back please. " * 4
NOTHING, METRICS, LINE, QUALITY, EVERY = (
    "nothing", "metrics", "metrics, decision line", "metrics, decision line, quality as by default",
    "metrics, decision line, quality of every answer",
)  # fmt: skip
SAMPLED = {QUALITY: QUALITY_SAMPLE, EVERY: 1.0}


class Silent:
    """Stands for metrics and decision log where these are left out."""

    def took(self, seconds: float) -> None: ...
    def decided(self, decision: object) -> None: ...
    def write(self, line: object) -> None: ...


def service(folder: Path, watched: str) -> SteeringService:
    """Returns a process's service on an engine that holds every vector at once."""
    folder.mkdir(parents=True)
    settings = ServerSettings(
        registry_url="unix:///none", fingerprint=ENGINE.fingerprint, shape=ModelShape(4, 4),
        data_dir=folder, registry_copy=folder / "copy", server_pid=1, model_names=("tiny",),
        quality_sample=SAMPLED.get(watched, 0.0),
    )  # fmt: skip
    registry = SimpleNamespace(snapshot=SNAPSHOT, reader=None, local=LocalCopy(folder / "copy"))
    made = SteeringService(settings, registry, FakeLink(), ENGINE, SelfTest((0, 1, 2, 3), 0.1))

    async def nothing(digests: object) -> None: ...

    made.supply.ensure_resident = nothing
    if watched == NOTHING:
        made.metrics = Silent()
    if watched in (NOTHING, METRICS):
        made.decisions = Silent()
    return made


def answers() -> list[list[Any]]:
    """Returns streams of outputs as the engine gives them, a word or two each."""
    made = []
    for text in prose():
        size = -(-len(text) // TOKENS)
        pieces = [text[k * size : (k + 1) * size] for k in range(TOKENS)]
        made.append([
            SimpleNamespace(outputs=[SimpleNamespace(
                index=0, text=piece, token_ids=[7], cumulative_logprob=-0.3 * (k + 1),
                finish_reason="stop" if k == TOKENS - 1 else None,
            )]) for k, piece in enumerate(pieces)
        ])  # fmt: skip
    return made


async def served(service: SteeringService, streams: list[list[Any]], first: int) -> None:
    """Serves requests from admission to the last output."""
    payload = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": TOKENS}
    for number in range(first, first + REQUESTS):
        admitted = await service.admit(
            LOCAL_CALLER, CHAT, Body(b"", payload, FIELD), f"chatcmpl-{number:032x}"
        )

        async def engine(number: int = number) -> AsyncGenerator[Any, None]:
            for output in streams[number % len(streams)]:
                yield output

        with service.running(admitted):
            tap = admitted.tap
            stream = (
                engine() if tap is None
                else tap.through(lambda _, made=engine: (None, made()), deltas=True, may_ask=True)
            )  # fmt: skip
            async for _ in stream:
                pass


def processor_us(folder: Path) -> dict[str, list[float]]:
    """Returns processor time per request, us, by what is watched: a value for each round."""
    streams = answers()
    services = {what: service(folder / str(k), what)
                for k, what in enumerate((NOTHING, METRICS, LINE, QUALITY, EVERY))}  # fmt: skip
    took: dict[str, list[float]] = {what: [] for what in services}
    for number in range(-1, ROUNDS):  # the first warms up
        for what, one in services.items() if number % 2 else [*services.items()][::-1]:
            started = time.process_time()
            asyncio.run(served(one, streams, (number + 1) * REQUESTS))
            one.quality.judging.close()
            if what not in (NOTHING, METRICS):
                one.decisions.close()
            if number >= 0:
                took[what].append((time.process_time() - started) / REQUESTS * 1e6)
    return took
