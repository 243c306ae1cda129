"""What a server's answers, good and bad, become; over real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from steersman_server.top import source as source_module
from steersman_server.top.sample import Sample
from steersman_server.top.source import Source
from steersman_vectors.errors import CallerError, OperatorError, SteersmanError

from .http_server import Recorded, error, serving


@pytest.fixture
def server() -> Iterator[Recorded]:
    with serving() as recorded:
        yield recorded


def sample(url: str, key: str | None = None) -> Sample:
    with closing(Source(url, key)) as source:
        return source.sample()


def failure(source: Source) -> SteersmanError:
    with closing(source), pytest.raises(SteersmanError) as raised:
        source.sample()
    assert "\n" not in raised.value.message
    return raised.value


def test_a_sample(server: Recorded) -> None:
    found = sample(server.url + "/v1/")
    assert found.health["status"] == "ok"
    assert found.scales == {"globex": 0.5}
    assert sum(found.series["steering_requests_total"].values()) > 1000


def test_workers_and_registry_are_asked_seldom(server: Recorded) -> None:
    source = Source(server.url)
    for _ in range(4):
        source.sample()
    source.close()
    paths = [path for path, _ in server.seen]
    assert paths.count("/metrics") == 4
    assert paths.count("/v1/steering/health") == paths.count("/admin/v1/backoff") == 1


def test_the_key_is_sent_and_needed(server: Recorded) -> None:
    server.key = "sk-right"
    assert sample(server.url, " sk-right\n").scales == {"globex": 0.5}
    assert {authorization for _, authorization in server.seen} == {"Bearer sk-right"}
    without = failure(Source(server.url))
    assert isinstance(without, CallerError)
    assert without.code == "admin_key_wrong"
    assert "STEERSMAN_ADMIN_KEY" in without.message
    wrong = failure(Source(server.url, "sk-wrong"))
    assert "role viewer" in wrong.message
    assert "sk-wrong" not in wrong.message


def test_a_role_that_is_too_low(server: Recorded) -> None:
    server.answers["/v1/steering/health"] = error(403, "role_too_low", "your key is a tenant's")
    found = failure(Source(server.url, "sk-x"))
    assert isinstance(found, CallerError)
    assert found.code == "role_too_low"
    assert "your key is a tenant's" in found.message


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_backoffs_may_be_missing(server: Recorded, status: int) -> None:
    server.answers["/admin/v1/backoff"] = error(status, "x", "no")
    assert sample(server.url).scales is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"backoffs": [3, {"tenant": "a"}]}', b"\xff"])
def test_backoffs_of_any_shape_do_no_harm(server: Recorded, body: bytes) -> None:
    server.answers["/admin/v1/backoff"] = (200, body)
    assert not sample(server.url).scales


@pytest.mark.parametrize(
    "answer", [(404, b'{"detail":"Not Found"}'), error(503, "steering_not_enabled", "without")]
)
def test_a_server_without_steersman(server: Recorded, answer: tuple[int, bytes]) -> None:
    server.answers["/v1/steering/health"] = answer
    found = failure(Source(server.url))
    assert isinstance(found, OperatorError)
    assert found.code == "steering_not_enabled"
    assert "`steersman serve`" in found.message


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/metrics", (200, b"<html>hello</html>")),
        ("/metrics", (200, b"\xff\xfe")),
        ("/metrics", (500, b"no")),
        ("/metrics", (302, b"http://127.0.0.1:1/")),
        ("/v1/steering/health", (200, b"<html>")),
        ("/v1/steering/health", (200, b"[]")),
        ("/v1/steering/health", (502, b"{}")),
    ],
)
def test_something_else_answers(server: Recorded, path: str, answer: tuple[int, bytes]) -> None:
    server.answers[path] = answer
    found = failure(Source(server.url))
    assert found.code == "server_answer"
    assert path in found.message


def test_workers_that_do_not_answer_are_no_outage(server: Recorded) -> None:
    body = json.dumps({"status": "failed", "message": "engine is dead"}).encode()
    server.answers["/v1/steering/health"] = (503, body)
    assert sample(server.url).health["message"] == "engine is dead"


def test_answers_are_bounded(server: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MAX_BYTES", 10_000)
    assert failure(Source(server.url)).code == "server_answer"


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = failure(Source(f"http://127.0.0.1:{port}"))
    assert isinstance(found, OperatorError)
    assert found.code == "server_unreachable"
    assert "steersman serve" in found.message


def test_a_proxy_does_not_stand_between_a_machine_and_itself(
    server: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert sample(server.url).health["status"] == "ok"


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x", "http://", "http://a/?q=1", "http://[::1", "\x00"]
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(CallerError) as raised:
        Source(url)
    assert raised.value.code == "invalid_option"


@pytest.mark.parametrize("key", [" ", "schlüssel", "a\nb"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(CallerError) as raised:
        Source("http://127.0.0.1:8000", key)
    assert raised.value.param == "key"
