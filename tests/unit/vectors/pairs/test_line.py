"""What one line may say, and what it is refused for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from steersman_vectors.message import Message
from steersman_vectors.pairs.line import MAX_LINE_BYTES, parse_line
from steersman_vectors.pairs.pair import Example

from .samples import line_of, pair_values

USER, SYSTEM = Message("user", "hi"), Message("system", "be kind")


def test_two_answers_to_one_prompt() -> None:
    line = line_of({"prompt": "hi", "positive": "a", "negative": "b", "system": "be kind",
                    "id": "1", "group": "g", "meta": {"any": [1, None]}})  # fmt: skip
    assert line.positive == Example((SYSTEM, USER), "a")
    assert line.negative == Example((SYSTEM, USER), "b")
    assert (line.form, line.id, line.group) == ("answers", "1", "g")
    assert line.meta == {"any": [1, None]}


def test_two_prompts_and_perhaps_an_answer() -> None:
    line = line_of({"positive_prompt": "hi", "negative_prompt": "bye"})
    assert line.sides == (Example((USER,)), Example((Message("user", "bye"),)))
    line = line_of({"positive_prompt": "hi", "negative_prompt": "bye", "answer": "ok"})
    assert [side.answer for side in line.sides] == ["ok", "ok"]


def test_a_member_of_a_set_has_one_side() -> None:
    line = line_of({"prompt": "hi", "label": "negative", "answer": "x"})
    assert (line.form, line.positive, line.negative) == ("set", None, Example((USER,), "x"))


def test_a_prompt_of_turns() -> None:
    turns = [("system", "be kind"), ("user", "hi"), ("assistant", "hello"), ("user", "and?")]
    prompt = [{"role": role, "content": content} for role, content in turns]
    line = line_of({"prompt": prompt, "positive": "a", "negative": "b"})
    assert line.positive is not None
    assert line.positive.prompt == tuple(Message(role, content) for role, content in turns)


@given(pair_values())
def test_texts_come_back_as_they_are(value: dict) -> None:
    positive, negative = line_of(value).sides
    assert positive.prompt[0].content == value["prompt"]
    assert (positive.answer, negative.answer) == (value["positive"], value["negative"])


def pair(**more: object) -> bytes:
    return json.dumps({"prompt": "p", "positive": "a", "negative": "b", **more}).encode()


def turns(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": "x"} for role in roles]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"prompt": "p"', "is not JSON"),
        (b'{"prompt": "p", "positive": "a"}', "'negative' is missing; add it"),
        (b'{"text": "p"}', "expected those of"),
        (b"[1]", "is a JSON list; write one object a line"),
        (b'"x"', "expected an object, got 'x'"),
        (b"{" * 100_000, "is not JSON"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"prompt": "\xff"}', "is not UTF-8 (byte 13)"),
        (b'{"prompt": "p", "prompt": "q"}', "has the key 'prompt' twice"),
        (b'{"meta": {"a": 1, "a": 2}}', "has the key 'a' twice"),
        (b'{"prompt": NaN}', "has NaN, which is not JSON"),
        (b'{"meta": {"a": -Infinity}}', "has -Infinity"),
        (b'{"meta": {"a": 1e999}}', "too large for a float"),
        (pair(extra=1), "unknown key 'extra'; remove it, or put it under 'meta'"),
        (pair(positive=" \t"), "'positive' is empty"),
        (pair(positive="\ud800"), "half of a surrogate pair"),
        (pair(positive=7), "'positive': Input should be a valid string, got 7"),
        (pair(positive="\uff42\u00a0"), "'positive' and 'negative' are the same"),
        (pair(prompt=[]), "'prompt'"),
        (pair(prompt=3), "expected a text, or a list of"),
        (pair(prompt=turns("user", "assistant")), "does not end with a user turn"),
        (pair(prompt=turns("system")), "does not end with a user turn"),
        (pair(prompt=turns("user", "user")), "do not alternate"),
        (pair(prompt=turns("assistant", "user")), "begins with an assistant turn"),
        (pair(prompt=turns("user", "system", "user")), "system turn that is not the first"),
        (pair(prompt=turns("system", "system", "user")), "system turn that is not the first"),
        (pair(prompt=turns("tool", "user")), "'prompt.0.role'"),
        (pair(prompt=turns("system", "user"), system="s"), "keep one"),
        (b'{"positive_prompt": "x", "negative_prompt": " x"}', "are the same"),
        (b'{"prompt": "x", "label": "good"}', "'label'"),
        (b'{"prompt": "x", "label": "positive", "positive": "y"}', "unknown key 'positive'"),
        (b" " * (MAX_LINE_BYTES + 1), "is longer than"),
    ],
)  # fmt: skip
def test_what_is_refused(line: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_line(line)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 400
