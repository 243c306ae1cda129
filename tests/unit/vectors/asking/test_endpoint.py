"""The endpoint over real HTTP: what it takes, how long it waits, what it says when it gives up."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from steersman_vectors.asking.endpoint import ChatEndpoint, Patience, base_url
from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from tests.unit.vectors.pairs.model_server import MODEL, Scripted, fails, says, serving

FAST = Patience(attempts=4, first_s=0.001, longest_s=0.01)


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as running:
        yield running


async def ask(url: str, **more: object) -> str:
    async with ChatEndpoint(url, patience=FAST, **more) as endpoint:  # type: ignore[arg-type]
        return (await endpoint.ask("hello", seed=3)).text


async def refused(url: str, **more: object) -> SteersmanError:
    with pytest.raises(SteersmanError) as error:
        await ask(url, **more)
    return error.value


async def test_the_request_and_the_answer(server: Scripted) -> None:
    server.key = "secret"
    server.answer = lambda text, body: says(text.upper())
    assert await ask(server.url, key=" secret\n", options={"temperature": 0.5}) == "HELLO"
    messages = [{"role": "user", "content": "hello"}]
    assert server.asked == [{"model": MODEL, "messages": messages, "temperature": 0.5, "seed": 3}]


async def test_busy_servers_are_asked_again(server: Scripted) -> None:
    answers = iter([fails(429, retry_after="0"), fails(503), fails(500), says("at last")])
    server.answer = lambda text, body: next(answers)
    assert await ask(server.url, model="m") == "at last"
    assert len(server.asked) == 4
    server.answer = lambda text, body: fails(429, "slow down")
    error = await refused(server.url, model="m")
    assert isinstance(error, OperatorError)
    assert error.code == "endpoint_busy"
    assert "status 429 after 4 attempts: slow down" in error.message
    assert len(server.asked) == 8


def test_pauses_grow_and_keep_to_what_the_server_says() -> None:
    patience = Patience(first_s=1, longest_s=60)
    assert [patience.pause_s(n, None, 0) for n in (1, 2, 3, 9)] == [1, 2, 4, 60]
    assert patience.pause_s(3, None, 1) == 2
    assert patience.pause_s(1, "7", 1) == 7
    assert patience.pause_s(1, "9000", 1) == 60
    assert patience.pause_s(1, "Wed, 21 Oct 2026 07:28:00 GMT", 0) == 1
    assert patience.pause_s(1, "nan", 0) == patience.pause_s(1, "-3", 0) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "endpoint_unauthorized"), (403, "endpoint_unauthorized"), (404, "endpoint_not_found"),
     (400, "endpoint_refused"), (302, "endpoint_refused")],
)  # fmt: skip
async def test_what_does_not_pass_is_told_at_once(server: Scripted, status: int, code: str) -> None:
    server.answer = lambda text, body: fails(status, "because of this", location="http://x.y/")
    error = await refused(server.url, model="m")
    assert isinstance(error, CallerError)
    assert error.code == code
    assert f"status {status}: because of this" in error.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body", [b"<html>hello", b"[]", b'{"choices": []}', b'{"choices": [{"message": 3}]}', b"\xff"]
)
async def test_answers_of_other_servers(server: Scripted, body: bytes) -> None:
    server.answer = lambda text, _: (200, {}, body)
    error = await refused(server.url, model="m")
    assert error.code == "endpoint_answer"
    assert "is --endpoint the base URL" in error.message


async def test_an_answer_without_content_is_an_empty_one(server: Scripted) -> None:
    server.answer = lambda text, body: says(None)
    assert await ask(server.url) == ""


async def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = await refused(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert error.code == "endpoint_unreachable"
    assert "1 attempts); is the server running" in error.message


async def test_the_only_model_is_found(server: Scripted) -> None:
    server.answer = lambda text, body: says(body["model"])
    server.models = ({"id": "base", "parent": None}, {"id": "base:formal", "parent": "base"})
    assert await ask(server.url) == "base"
    server.models = ({"id": "a"}, {"id": "b"})
    error = await refused(server.url)
    assert "lists 2 models (a, b); choose one with --model" in error.message
    server.key = "other"
    assert (await refused(server.url)).code == "endpoint_unauthorized"


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("https://h/v1/", "https://h/v1"),
        ("https://h/openai/v1/chat/completions", "https://h/openai/v1"),
        (" http://[::1]:8/v1 ", "http://[::1]:8/v1"),
    ],
)
def test_base_urls(given: str, base: str) -> None:
    assert base_url(given) == base


@pytest.mark.parametrize(
    "given", ["", "localhost:8000", "ftp://h", "http://", "http://h?x=1", "http://me:pw@h/v1"]
)
def test_urls_that_are_none(given: str) -> None:
    with pytest.raises(CallerError, match="--endpoint") as error:
        base_url(given)
    assert error.value.code == "invalid_option"
    assert "pw" not in error.value.message
    with pytest.raises(CallerError, match="--api-key-env"):
        ChatEndpoint("http://h", key="two words\nx")
