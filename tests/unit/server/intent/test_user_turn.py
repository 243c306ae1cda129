"""The latest user turn, by every generation route; and of any JSON, something or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.intent.bounds import CONTEXT_CHARS, CONTEXT_TURNS, TURN_CHARS, cut
from steersman_server.intent.user_turn import UserTurn, latest_user_turn
from steersman_server.openai.middleware import GENERATION_ROUTES

CHAT = "/v1/chat/completions"


def user(content):
    return {"role": "user", "content": content}


def other(content, role="assistant"):
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("path", "payload", "expected"),
    [
        (CHAT, {"messages": [user("hello")]}, UserTurn("hello")),
        (CHAT, {"messages": [other("be kind", "system"), user("a"), other("b"), user("c")]},
         UserTurn("c", ("a",))),
        (CHAT, {"messages": [user("a"), other("an answer that is being continued")]},
         UserTurn("a")),
        (CHAT, {"messages": [user([{"type": "text", "text": "what is"}, {"type": "image_url"},
                                   {"type": "text", "text": "this?"}])]},
         UserTurn("what is\nthis?")),
        (CHAT, {"messages": [user("a"), other("b", "tool")]}, UserTurn("a")),
        (CHAT, {"messages": [other("b")]}, None),
        (CHAT, {"prompt": "not a field of chat, but some text", "messages": []},
         UserTurn("not a field of chat, but some text")),
        ("/v1/chat/completions/batch", {"messages": [[user("a")], [user("b"), other("c")]]},
         UserTurn("a\nb")),
        ("/v1/completions", {"prompt": "once upon"}, UserTurn("once upon")),
        ("/v1/completions", {"prompt": ["one", "two"]}, UserTurn("one\ntwo")),
        ("/v1/completions", {"prompt": [1, 2, 3]}, None),
        ("/v1/completions", {"prompt": [[1, 2], [3]]}, None),
        ("/v1/responses", {"input": "hi"}, UserTurn("hi")),
        ("/v1/responses", {"input": [
            {"type": "message", **user([{"type": "input_text", "text": "where is it"}])},
            {"type": "function_call_output", "output": "nowhere"}]},
         UserTurn("where is it")),
        ("/v1/messages", {"system": "be kind", "messages": [
            user("first"), other("yes"),
            user([{"type": "text", "text": "second"}])]}, UserTurn("second", ("first",))),
        ("/v1/messages", {"messages": [
            user("ask the tool"), other([{"type": "tool_use"}]),
            user([{"type": "tool_result", "content": "42"}])]}, UserTurn("ask the tool")),
        ("/invocations", {"messages": [user("chat")]}, UserTurn("chat")),
        ("/invocations", {"prompt": "completion"}, UserTurn("completion")),
        ("/cohere/v2/chat", {"messages": [user("bonjour")]}, UserTurn("bonjour")),
        ("/generative_scoring", {"query": "is it good", "items": ["a"]}, UserTurn("is it good")),
        ("/v1/systemone", {"state": "a letter", "questions": {"kind": {}}}, UserTurn("a letter")),
        ("/v1/systemone", {"state": {"a": 1}, "questions": {}}, None),
        ("/inference/v1/generate", {"token_ids": [1, 2]}, None),
        (CHAT, {"messages": [user("   \n ")]}, None),
    ],
)  # fmt: skip
def test_of_each_route(path: str, payload: dict, expected: UserTurn | None) -> None:
    assert latest_user_turn(path, payload) == expected


def test_context_is_the_newest_of_the_earlier_turns_in_order() -> None:
    said = [user(f"turn {i}") for i in range(9)]
    turn = latest_user_turn(CHAT, {"messages": said})
    assert turn == UserTurn("turn 8", ("turn 5", "turn 6", "turn 7"))
    assert len(turn.context) == CONTEXT_TURNS


def test_long_texts_keep_head_and_tail() -> None:
    text = "head " + "x" * 1_000_000 + " tail"
    turn = latest_user_turn(CHAT, {"messages": [user(text), user(text)]})
    assert turn is not None
    assert len(turn.text) == TURN_CHARS
    assert (turn.text[:5], turn.text[-5:]) == ("head ", " tail")
    assert len(turn.context[0]) <= CONTEXT_CHARS
    parts = [{"type": "text", "text": text}] * 100_000
    many = latest_user_turn(CHAT, {"messages": [user(parts)] * 100_000})
    assert many is not None
    assert len(many.text) == TURN_CHARS


def test_messages_without_text_are_passed_over() -> None:
    blank = [user(" " * 1_000_000), user([{"type": "image_url"}] * 1000), user(None), user([])]
    assert latest_user_turn(CHAT, {"messages": [user("a"), *blank * 50]}) == UserTurn("a")
    assert latest_user_turn(CHAT, {"messages": [user("a"), *blank * 100]}) is None  # too far back


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    body = json.loads('{"messages": [{"role": "user", "content": "a\\ud83d b"}]}')
    assert latest_user_turn(CHAT, body) == UserTurn("a? b")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = st.sampled_from(
    ["messages", "prompt", "input", "query", "role", "content", "type", "text", "user"]
) | st.text(max_size=5)
likely = st.sampled_from(["user", "human", "assistant", "text", "input_text"])
values = st.recursive(
    scalars | likely,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=25,
)


@given(st.sampled_from(sorted(GENERATION_ROUTES)), st.dictionaries(keys, values, max_size=5))
def test_total_on_any_json(path: str, payload: dict) -> None:
    turn = latest_user_turn(path, payload)
    if turn is not None:
        assert turn.text.strip()
        assert len(turn.text) <= TURN_CHARS
        assert len(turn.context) <= CONTEXT_TURNS
        assert all(len(text) <= CONTEXT_CHARS for text in turn.context)
        turn.text.encode()


@given(st.text(st.characters(), max_size=50), st.integers(0, 20), st.integers(1, 20))
def test_cut_keeps_what_fits(text: str, head: int, tail: int) -> None:
    got = cut(text, head, tail)
    assert len(got) <= max(head + 1 + tail, 0)
    if len(text) <= head + 1 + tail:
        assert got == text.encode(errors="replace").decode()
