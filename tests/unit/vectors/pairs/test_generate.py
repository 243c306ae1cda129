"""Generation over real HTTP, from models that behave and models that do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from steersman_vectors.asking.endpoint import ChatEndpoint, Patience
from steersman_vectors.errors import CallerError, SteersmanError
from steersman_vectors.pairs.generate import BARREN, Generated, Order, generate
from steersman_vectors.pairs.line import Line, parse_line
from steersman_vectors.pairs.templates import TOPICS, load_template

from .model_server import Scripted, fails, good, says, serving

REFUSAL = "I'm sorry, but I can't help with that."


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as running:
        running.answer = good
        yield running


def order(count: int = 20, **more: Any) -> Order:
    return Order("warmth", count, load_template("behaviour"), load_template(TOPICS), **more)


async def run(
    server: Scripted, wanted: Order, known: Sequence[Line] = (), **more: Any
) -> tuple[list[bytes], Generated]:
    lines: list[bytes] = []
    patience = Patience(attempts=3, first_s=0.001, longest_s=0.01)
    async with ChatEndpoint(server.url, patience=patience) as endpoint:
        done = await generate(endpoint, wanted, known, lines.append, **more)
    return lines, done


async def test_topics_first_then_pairs_of_each(server: Scripted) -> None:
    told: list[tuple[int, int]] = []
    lines, done = await run(
        server, order(count=23), progress=lambda done, total: told.append((done, total))
    )
    assert len(lines) == done.written == done.in_all == 23
    assert done.ended == "count"
    read = [parse_line(line) for line in lines]
    assert len({line.meta["topic"] for line in read}) == 5
    assert {line.meta["concept"] for line in read} == {"warmth"}
    assert '"topics"' in server.asked[0]["messages"][0]["content"]
    assert done.requests == len(server.asked)
    assert done.tokens == 100 * done.requests
    assert told[-1] == (23, 23)
    assert all("seed" not in body for body in server.asked)


def fenced(text: str) -> str:
    return f"Certainly! Here you go:\n\n```json\n{text}\n```\n\nLet me know if {{you}} need more."


@pytest.mark.parametrize(
    "dress",
    [
        fenced,
        lambda text: f'<think>They want {{"prompt": 1}} or ["x"].</think>{text}',
        lambda text: text if "topics" in text else f'{{"pairs": [{",".join(text.splitlines())}]}}',
        lambda text: text if "topics" in text else f"[{','.join(text.splitlines())}]",
        lambda text: text if "topics" in text else text[:-30],
        lambda text: text[:-30],
    ],
)
async def test_however_the_model_dresses_it(server: Scripted, dress: Callable[[str], str]) -> None:
    server.answer = lambda text, body: good(text, body, dress=dress)
    lines, done = await run(server, order(seed=1))
    assert len(lines) == 20
    assert done.ended == "count"


async def test_seeds_go_up_by_one(server: Scripted) -> None:
    await run(server, order(count=10, seed=40))
    seeds = sorted(body["seed"] for body in server.asked)
    assert seeds == list(range(40, 40 + len(seeds)))


async def test_no_more_at_once_than_allowed(server: Scripted) -> None:
    await run(server, order(count=60, concurrency=3))
    assert server.most <= 3


async def test_busy_now_and_then(server: Scripted) -> None:
    turns = iter(range(10_000))

    def sometimes(text: str, body: dict[str, Any]) -> Any:
        return fails(429, retry_after="0") if next(turns) % 3 == 1 else good(text, body)

    server.answer = sometimes
    lines, _ = await run(server, order(count=20, concurrency=1))
    assert len(lines) == 20


async def test_what_the_reader_refuses_and_what_repeats_is_counted(server: Scripted) -> None:
    same = {"prompt": "Where?", "positive": "Here, gladly!", "negative": "Here."}
    odd = [same, {**same, "prompt": " Where?"}, {**same, "negative": "Here, gladly!"},
           {"prompt": "...", "positive": "...", "negative": "..."}, {"hello": 1},
           {"prompt": "And?", "label": "positive"}, {**same, "prompt": "\ud800"}]  # fmt: skip

    def mixed(text: str, body: dict[str, Any]) -> Any:
        if '"topics"' in text or len(server.asked) != 2:
            return good(text, body)
        return says("\n".join(json.dumps(each) for each in odd))

    server.answer = mixed
    lines, done = await run(server, order(concurrency=1, seed=1))
    assert len(lines) == 20
    assert done.refused == {"invalid": 5, "duplicate": 1}


async def test_what_a_model_adds_is_left_out(server: Scripted) -> None:
    extra = {"prompt": " Why? ", "positive": "a", "negative": "b", "explanation": "x", "id": 3}
    server.answer = lambda text, body: (
        good(text, body) if '"topics"' in text else says(json.dumps(extra))
    )
    lines, _ = await run(server, order(count=1))
    assert json.loads(lines[0])["prompt"] == "Why?"
    assert set(json.loads(lines[0])) == {"prompt", "positive", "negative", "meta"}


async def test_known_lines_are_not_written_again_and_count(server: Scripted) -> None:
    first, _ = await run(server, order(count=20))
    known = [parse_line(line) for line in first]
    lines, done = await run(server, order(count=30, seed=5), known)
    assert (done.written, done.in_all, len(lines)) == (10, 30, 10)
    assert not set(first) & set(lines)
    asked = len(server.asked)
    lines, done = await run(server, order(count=30), [*known, *map(parse_line, lines)])
    assert (lines, done.written, done.requests, done.ended) == ([], 0, 0, "count")
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("limit", "ended"), [({"max_requests": 3}, "max_requests"), ({"max_tokens": 250}, "max_tokens")]
)
async def test_what_it_may_cost(server: Scripted, limit: dict[str, int], ended: str) -> None:
    lines, done = await run(server, order(count=100, concurrency=1, **limit))
    assert (len(lines), done.requests, done.ended) == (10, 3, ended)


async def test_a_model_that_repeats_itself_is_given_up(server: Scripted) -> None:
    def again(text: str, body: dict[str, Any]) -> Any:
        return good("x", {}) if '"topics"' not in text else good(text, body)

    server.answer = again
    lines, done = await run(server, order(count=50, concurrency=1))
    assert (len(lines), done.ended) == (5, "no_progress")
    assert done.refused["duplicate"] == 5 * BARREN


@pytest.mark.parametrize(
    ("text", "says_so"),
    [
        ("The weather is nice.", "writes no JSON when asked for topics"),
        (REFUSAL, "declines when asked for topics"),
    ],
)
async def test_a_model_that_cannot(server: Scripted, text: str, says_so: str) -> None:
    server.answer = lambda *_: says(text)
    with pytest.raises(CallerError) as error:
        await run(server, order())
    assert error.value.code == "generator_unusable"
    assert says_so in error.value.message
    assert text in error.value.message
    assert "--model" in error.value.message
    assert len(server.asked) == 3


async def test_a_model_that_writes_topics_and_no_pairs(server: Scripted) -> None:
    server.answer = lambda text, body: good(text, body) if '"topics"' in text else says(REFUSAL)
    with pytest.raises(CallerError) as error:
        await run(server, order(concurrency=2))
    assert error.value.code == "generator_unusable"
    assert f"in {BARREN} answers" in error.value.message
    assert len(server.asked) <= 1 + BARREN + 2


async def test_an_error_amid_the_run_keeps_what_was_written(server: Scripted) -> None:
    server.answer = lambda text, body: (
        good(text, body) if len(server.asked) < 4 else fails(401, "key expired")
    )
    lines: list[bytes] = []
    async with ChatEndpoint(server.url) as endpoint:
        with pytest.raises(SteersmanError) as error:
            await generate(endpoint, order(count=50, concurrency=2), [], lines.append)
    assert error.value.code == "endpoint_unauthorized"
    assert len(lines) >= 5
    assert all(parse_line(line) for line in lines)
