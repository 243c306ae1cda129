"""JSON out of whatever models write around it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.asking.model_json import MAX_MISSES, objects_in, strings_in

values = st.dictionaries(
    st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none(), max_size=4
)
A, B = {"prompt": "a {curly} one", "positive": 'he said "hi"'}, {"prompt": "b"}


@given(st.lists(values, max_size=5), st.sampled_from(["\n", " ", ",\n", "\n\n1. "]))
def test_every_whole_object_comes_back(written: list[dict[str, Any]], between: str) -> None:
    text = between.join(map(json.dumps, written))
    assert (
        objects_in(f"Sure! Here they are:\n```json\n{text}\n```\nI hope this helps :}}") == written
    )
    assert objects_in(json.dumps(written)) == written


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_a_cut_answer_gives_what_was_whole(
    written: list[dict[str, Any]], data: st.DataObject
) -> None:
    lines = [json.dumps(value) + "\n" for value in written]
    cut = data.draw(st.integers(0, len(lines[-1]) - 3)) if len(lines[-1]) > 3 else 0
    assert objects_in("".join(lines[:-1]) + lines[-1][:cut])[: len(written) - 1] == written[:-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I cannot do that.", []),
        ("", []),
        (json.dumps([A, B]), [A, B]),
        (json.dumps({"pairs": [A, B]})[:-6], [A]),
        ('{"prompt": "two\nlines"}', [{"prompt": "two\nlines"}]),
        ("{'prompt': 'python'}", []),
        ("{} {x} " + json.dumps(B), [{}, B]),
    ],
)
def test_as_models_write(text: str, found: list[Any]) -> None:
    assert objects_in(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"topics": ["a", "b"]}', ["a", "b"]),
        ('```json\n{"topics": ["a", 3, "b"]}\n```', ["a", "b"]),
        ('["a", "b"] is all', ["a", "b"]),
        ('{"topics": ["a", "b, c", "d', ["a", "b, c"]),
        ("no list", []),
    ],
)
def test_lists_of_strings(text: str, found: list[str]) -> None:
    assert strings_in(text, "topics") == found


def test_braces_that_begin_nothing_are_given_up() -> None:
    """Without the bound this takes minutes: every brace is read to the end of the text."""
    assert objects_in("{x" * MAX_MISSES + json.dumps(B)) == []
    began = time.process_time()
    assert objects_in('{"a": [' * 50_000) == []
    assert time.process_time() - began < 60
