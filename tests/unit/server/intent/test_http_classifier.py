"""The HTTP classifier against a real server on the loopback, well and badly behaved."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from steersman_server.intent.breaker import Breaker
from steersman_server.intent.config import HttpConfig, Rule, RulesConfig
from steersman_server.intent.contract import Intent
from steersman_server.intent.http_classifier import Abstain, HttpClassifier
from steersman_server.intent.rules import RulesClassifier
from steersman_server.intent.user_turn import UserTurn

TURN = UserTurn("where is my parcel", ("hello",))
FALLBACK = RulesClassifier(
    RulesConfig(kind="rules", rules=(Rule(label="safety", any=("parcel",), score=0.7),))
)
FELL_BACK = Intent("safety", 0.7, "safety", "fallback")
GOOD = json.dumps({"label": "delivery", "score": 0.9, "model": "v2"}).encode()


class Service:
    """An HTTP/1.1 server that answers as it is told."""

    def __init__(self) -> None:
        self.status, self.body, self.delay_s = "200 OK", GOOD, 0.0
        self.more = ""
        self.connections = 0
        self.asked: list[Any] = []
        self.headers: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                self.headers.append(head)
                self.asked.append(json.loads(await reader.readexactly(length)))
                await asyncio.sleep(self.delay_s)
                writer.write(
                    f"HTTP/1.1 {self.status}\r\ncontent-type: application/json\r\n{self.more}"
                    f"content-length: {len(self.body)}\r\n\r\n".encode()
                    + self.body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


Make = Callable[..., Awaitable[tuple[Service, HttpClassifier]]]


@pytest.fixture
async def make():
    servers, classifiers = [], []

    async def start(fallback: Any = FALLBACK, **config: Any) -> tuple[Service, HttpClassifier]:
        service = Service()
        server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = {"timeout_s": 5.0, "labels": ("delivery", "billing"), **config}
        stated = HttpConfig(
            kind="http", url=f"http://127.0.0.1:{port}/ask", fallback="abstain", **settings
        )
        classifier = HttpClassifier(stated, fallback)
        servers.append(server)
        classifiers.append(classifier)
        return service, classifier

    yield start
    for classifier in classifiers:
        await classifier.aclose()
    for server in servers:
        server.close()


async def test_asks_and_believes_over_one_connection(make: Make) -> None:
    service, classifier = await make(headers={"x-team": "support"})
    for _ in range(5):
        assert await classifier.classify(TURN) == Intent("delivery", 0.9, "delivery", "http")
    assert service.connections == 1
    assert service.asked[0] == {"text": "where is my parcel", "context": ["hello"]}
    assert "POST /ask HTTP/1.1" in service.headers[0]
    assert "x-team: support" in service.headers[0]
    assert classifier.labels == ("delivery", "billing", "safety")
    assert classifier.safety_labels == {"safety"}


async def test_abstains_below_its_threshold_and_when_told(make: Make) -> None:
    service, classifier = await make(threshold=0.95)
    assert await classifier.classify(TURN) == Intent(None, 0.9, "delivery", "http")
    service.body = b'{"label": null, "score": 0.99}'
    assert await classifier.classify(TURN) == Intent(None, 0.99, None, "http")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[]",
        b"[" * 60_000,
        b'"delivery"',
        b'{"label": "delivery"}',
        b'{"label": "weather", "score": 0.9}',
        b'{"label": "delivery", "score": 1.5}',
        b'{"label": "delivery", "score": NaN}',
        b'{"label": "delivery", "score": "0.9"}',
        b'{"label": 3, "score": 0.9}',
        b" " * 70_000 + GOOD,
    ],
)
async def test_falls_back_on_answers_it_cannot_use(make: Make, body: bytes) -> None:
    service, classifier = await make()
    service.body = body
    assert await classifier.classify(TURN) == FELL_BACK
    service.body = GOOD
    assert (await classifier.classify(TURN)).source == "http"


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "204 Nothing", "404 Gone"])
async def test_falls_back_on_other_statuses(make: Make, status: str) -> None:
    service, classifier = await make()
    service.status = status
    assert await classifier.classify(TURN) == FELL_BACK


async def test_redirects_are_not_followed(make: Make) -> None:
    elsewhere, _ = await make()
    service, classifier = await make()
    service.status, service.more = "307 Elsewhere", f"location: {_.config.url}\r\n"
    assert await classifier.classify(TURN) == FELL_BACK
    assert elsewhere.asked == []


async def test_a_late_answer_is_not_waited_for(make: Make) -> None:
    service, classifier = await make(timeout_s=0.1)
    service.delay_s = 30
    started = time.monotonic()
    assert await classifier.classify(TURN) == FELL_BACK
    assert time.monotonic() - started < 10


async def test_a_service_that_is_not_there(make: Make) -> None:
    _, classifier = await make(fallback=Abstain())
    gone = classifier.config.model_copy(update={"url": "http://127.0.0.1:9/"})
    alone = HttpClassifier(gone, Abstain())
    assert await alone.classify(TURN) == Intent(None, 0.0, None, "fallback")
    await alone.aclose()


async def test_a_failing_service_is_left_alone_and_tried_again(make: Make) -> None:
    service, classifier = await make(failures_to_open=3, open_s=60)
    now = 100.0
    classifier.breaker.clock = lambda: now
    service.status = "500 Oops"
    for _ in range(10):
        assert await classifier.classify(TURN) == FELL_BACK
    assert len(service.asked) == 3
    now = 161.0
    assert [await classifier.classify(TURN) for _ in range(3)] == [FELL_BACK] * 3
    assert len(service.asked) == 4
    now, service.status = 222.0, "200 OK"
    assert [(await classifier.classify(TURN)).source for _ in range(3)] == ["http"] * 3
    assert not classifier.breaker.is_open


async def test_many_at_once(make: Make) -> None:
    service, classifier = await make(max_connections=4)
    found = await asyncio.gather(*(classifier.classify(TURN) for _ in range(50)))
    assert {each.source for each in found} == {"http"}
    assert service.connections <= 4


async def test_the_event_loop_goes_on_while_the_service_is_slow(make: Make) -> None:
    service, classifier = await make(timeout_s=0.5)
    service.delay_s = 30
    waiting = asyncio.ensure_future(classifier.classify(TURN))
    turns = 0
    while not waiting.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 1


def test_only_one_asks_while_it_is_open() -> None:
    now = 0.0
    breaker = Breaker(2, 10.0, clock=lambda: now)
    breaker.failed()
    assert breaker.may_ask()
    breaker.failed()
    assert [breaker.may_ask() for _ in range(3)] == [False] * 3
    now = 10.0
    assert [breaker.may_ask() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert all(breaker.may_ask() for _ in range(3))
