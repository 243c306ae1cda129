"""The echo against every way of cutting a response into messages."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.openai.echo import Echo
from tests.unit.server.samples import resolve_field

DECISION = resolve_field({"vectors": {"empathy": 0.5}})
STREAM = b': ping\n\nevent: message\ndata: {"n": 1}\n\ndata: {"n": 2}\n\ndata: [DONE]\n\n'
TIGHT = b'data:{"n": 1}\n\ndata:{"n": 2}\n\n'
OBJECT = b' \n{"text": "data: {"}'


FAILED = (
    b'data: {"error": {"message": "no"}}\n\ndata: [DONE]\n\n',
    b'event: error\ndata: {"type":"error","error":{"message":"no"}}\n\n',
)
"""Streams of requests that vLLM refuses when it is asked for the first token, with status 200."""


async def answer_in(
    parts: list[bytes], media: str, told: list[int] | None = None
) -> tuple[dict[bytes, bytes], bytes]:
    """Returns headers and body after the echo, for a body sent in these parts.

    told: takes the statuses that the echo tells of, none after the client has seen anything.
    """
    sent = []

    async def send(message):
        sent.append(message)

    def began(status):
        assert not sent
        if told is not None:
            told.append(status)

    echo = Echo(DECISION, send, began)
    length = str(sum(map(len, parts))).encode()
    headers = [(b"content-type", media.encode()), (b"content-length", length)]
    await echo({"type": "http.response.start", "status": 200, "headers": headers})
    for i, part in enumerate(parts):
        more = i < len(parts) - 1
        await echo({"type": "http.response.body", "body": part, "more_body": more})
    start, *bodies = sent
    assert start["type"] == "http.response.start"
    assert [m.get("more_body", False) for m in bodies][-1] is False
    return dict(start["headers"]), b"".join(m["body"] for m in bodies)


def cut(body: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(i % (len(body) + 1) for i in at), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([STREAM, TIGHT]))
async def test_a_stream_says_it_in_its_first_event_however_it_is_cut(at, body):
    _, out = await answer_in(cut(body, at), "text/event-stream; charset=utf-8")
    events = [json.loads(x[5:]) for x in out.splitlines() if x.lstrip(b"data: ").startswith(b"{")]
    assert [e.pop("steering", None) is not None for e in events] == [True, False]
    assert events == [{"n": 1}, {"n": 2}]


@given(st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from(FAILED))
async def test_a_stream_that_begins_with_an_error_was_not_steered_however_it_is_cut(at, body):
    """Its error said what had been applied, and it was counted as steered."""
    told = []
    headers, out = await answer_in(cut(body, at), "text/event-stream; charset=utf-8", told)
    assert (told, out) == ([500], body)
    assert not [name for name in headers if name.startswith(b"x-steering")]


@given(st.lists(st.integers(0, 10_000), max_size=12))
@pytest.mark.parametrize(
    ("body", "media"),
    [
        (STREAM, "text/event-stream"),
        (TIGHT + FAILED[0], "text/event-stream"),  # it had begun
        (b'data: {"n": "error"}\n\n', "text/event-stream"),
        (b"data: [DONE]\n\n", "text/event-stream"),
        (b"", "text/event-stream"),
        (OBJECT, "application/json"),
        (b"text", "text/plain"),
    ],
)
async def test_every_other_answer_began_well_once(body, media, at):
    told = []
    await answer_in(cut(body, at), media, told)
    assert told == [200]


@given(st.lists(st.integers(0, 10_000), max_size=6))
async def test_an_object_says_it_however_it_is_cut_and_the_length_is_right(at):
    headers, out = await answer_in(cut(OBJECT, at), "application/json")
    payload = json.loads(out)
    assert payload["text"] == "data: {"
    assert payload["steering"]["applied"][0]["vector"] == "empathy"
    assert int(headers[b"content-length"]) == len(out)


@pytest.mark.parametrize("body", [b"", b"   ", b"[1]", b"data", b"null"])
async def test_what_is_no_object_passes_unchanged(body):
    for parts in ([body], [body[:1], body[1:]], [b"", body, b""]):
        headers, out = await answer_in(parts, "application/json")
        assert out == body
        assert int(headers[b"content-length"]) == len(body)
        assert headers[b"x-steering-revision"] == b"7"
