"""Prompts of a sweep: pairs' rules, an id of each, and errors that name the line."""

from __future__ import annotations

import json

import pytest

from steersman_vectors.errors import CallerError
from steersman_vectors.message import Message
from steersman_vectors.sweep.prompts import read_prompts


def test_all_forms(tmp_path):
    turns = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "Where is it?"},
    ]
    lines = [
        {"prompt": "Where is my order?"},
        {"prompt": turns, "id": "late", "expected": {"days": 3}},
        {"prompt": "Why?", "system": "Be brief."},
    ]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\ufeff" + "\n\n".join(map(json.dumps, lines)) + "\n")
    first, late, brief = read_prompts(path)
    assert first.messages == (Message("user", "Where is my order?"),)
    assert len(first.id) == 12
    assert (late.id, late.expected, late.asked) == ("late", {"days": 3}, "Where is it?")
    assert [message.role for message in late.messages] == ["user", "assistant", "user"]
    assert brief.messages == (Message("system", "Be brief."), Message("user", "Why?"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it holds none"),
        ("Where?\n", "line 1: "),
        ('{"prompt": "a"}\n{"question": "b"}\n', "line 2: prompt: Field required"),
        ('{"prompt": "a", "answer": "b"}\n', "line 1: unknown key 'answer'"),
        ('{"prompt": " "}\n', "line 1: .*is empty"),
        ('{"prompt": [{"role": "assistant", "content": "a"}]}\n', "does not end with a user turn"),
        ('{"prompt": "a"}\n{"prompt": "a"}\n', "say the same"),
        ('{"prompt": "a", "id": "x"}\n{"prompt": "b", "id": "x"}\n', "the id 'x'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, content, said):
    path = tmp_path / "prompts.jsonl"
    path.write_text(content)
    with pytest.raises(CallerError, match=said) as caught:
        read_prompts(path)
    assert caught.value.code == "prompts_invalid"


def test_no_file(tmp_path):
    with pytest.raises(CallerError) as caught:
        read_prompts(tmp_path / "none.jsonl")
    assert caught.value.code == "prompts_not_found"
