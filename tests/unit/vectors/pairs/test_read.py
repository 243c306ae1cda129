"""Whole files: what is told, what is dropped, what the hash depends on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.pairs import raw_lines
from steersman_vectors.pairs.fold import fold, fold_case
from steersman_vectors.pairs.read import read_pairs, read_prompt_sets

from .samples import clean, pair_values, texts, write

A = {"prompt": "p", "positive": "a", "negative": "b"}
B = {"prompt": "q", "positive": "c", "negative": "d"}


def refused(path: Path) -> str:
    with pytest.raises(CallerError) as error:
        read_pairs(path)
    assert error.value.code == "pairs_invalid"
    assert str(path) in error.value.message
    return error.value.message


@given(texts)
def test_folding_is_done_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold_case(fold_case(text)) == fold_case(text)


def test_bom_line_ends_and_blank_lines(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + json.dumps(A).encode() + b"\r\n\r\n  \n" + json.dumps(B).encode()
    (tmp_path / "f.jsonl").write_bytes(data)
    read = read_pairs(tmp_path / "f.jsonl")
    assert [each.number for each in read.lines] == [1, 4]
    assert read.paired
    assert read.data_hash == read_pairs(write(tmp_path / "g.jsonl", B, A)).data_hash


def test_all_problems_are_told_at_once_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps(A) + "\n" + "{}\n" * 14 + json.dumps(B) + "\n")
    said = refused(path)
    assert "line 2: " in said
    assert "line 11: " in said
    assert "line 12: " not in said
    assert said.endswith("; and 4 more")


def test_a_line_without_end_is_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_lines, "MAX_LINE_BYTES", 100)
    (tmp_path / "f").write_bytes(b"x" * 1000 + b"\n" + b"y\n")
    read = list(raw_lines.raw_lines(tmp_path / "f"))
    assert [(number, len(raw)) for number, raw in read] == [(1, 102), (2, 2)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "has no line"),
        (b"\n \n", "has no line"),
        ("x".encode("utf-16"), "is UTF-16"),
        (b"[\n", "is not JSON"),
        (json.dumps([A]).encode(), "is a JSON list; write one object a line (jq"),
    ],
)
def test_files_that_are_none(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "f.jsonl").write_bytes(data)
    assert says in refused(tmp_path / "f.jsonl")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CallerError) as error:
            read_pairs(path)
        assert error.value.code == "pairs_not_found"


def test_pairs_and_sets_do_not_mix(tmp_path: Path) -> None:
    said = refused(write(tmp_path / "f", A, {"prompt": "x", "label": "positive"}))
    assert "line 2: is a member of a labelled set, but line 1 is a pair" in said
    assert read_pairs(write(tmp_path / "g", A, {"positive_prompt": "x", "negative_prompt": "y"}))


def test_a_set_needs_both_sides_and_no_example_on_both(tmp_path: Path) -> None:
    one, other = {"prompt": "x", "label": "positive"}, {"prompt": " x", "label": "negative"}
    assert "has no negative example" in refused(write(tmp_path / "f", one))
    said = refused(write(tmp_path / "g", one, {**one, "prompt": "z"}, other))
    assert "lines 1 and 3 are the same, labelled positive and negative" in said


def test_too_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_lines, "MAX_BYTES", 10)
    assert "expected at most 10" in refused(write(tmp_path / "f", A))
    monkeypatch.undo()
    monkeypatch.setattr("steersman_vectors.pairs.read.MAX_LINES", 1)
    assert "more than 1 lines" in refused(write(tmp_path / "g", A, B))


def test_what_repeats_is_dropped_and_the_first_stays(tmp_path: Path) -> None:
    long = {"prompt": "tell me about " + " ".join(map(str, range(60))),
            "positive": "yes of course", "negative": "no not at all"}  # fmt: skip
    near = {**long, "prompt": long["prompt"].replace("59", "fifty-nine")}
    wide = {**A, "positive": "\uff41"}
    path = write(tmp_path / "f", B, A, long, wide, near, {**long, "system": "be kind"})
    read = read_pairs(path)
    assert [each.number for each in read.lines] == [1, 2, 3, 6]
    assert [(d.number, d.same_as, d.how) for d in read.dropped] == [(4, 2, "exact"), (5, 3, "near")]
    assert [n.number for n in read_pairs(path, near=False).lines] == [1, 2, 3, 5, 6]


def test_templates_with_another_noun_stay(tmp_path: Path) -> None:
    values = [
        {"prompt": f"What is the capital of {x}?", "positive": f"{y}!", "negative": f"{y}."}
        for x, y in [("France", "Paris"), ("Spain", "Madrid")]
    ]
    assert len(read_pairs(write(tmp_path / "f", *values)).lines) == 2


@given(st.lists(pair_values(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_hash_does_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, values: list, draw: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("hash")
    first = read_pairs(write(folder / "f", *values)).data_hash
    draw.shuffle(values)
    assert read_pairs(write(folder / "f", *values, values[0])).data_hash == first
    changed = {**values[0], "positive": values[0]["positive"] + " more"}
    if changed not in values:
        assert read_pairs(write(folder / "f", *values, changed)).data_hash != first


def test_two_files_of_prompts(tmp_path: Path) -> None:
    positive, negative = tmp_path / "p.txt", tmp_path / "n.txt"
    positive.write_bytes("\ufeffI am glad\r\n\r\nso happy\n".encode())
    negative.write_text("I am sad\n")
    read = read_prompt_sets(positive, negative)
    assert not read.paired
    assert [each.number for each in read.lines] == [1, 3, 4]
    said = [(bool(n.line.positive), n.line.sides[0].prompt[0].content) for n in read.lines]
    assert said == [(True, "I am glad"), (True, "so happy"), (False, "I am sad")]
    negative.write_text("I AM\nso  happy\n")
    with pytest.raises(CallerError, match="lines 3 and 5 are the same"):
        read_prompt_sets(positive, negative)
    negative.write_bytes(b"\xff\n")
    with pytest.raises(CallerError, match="line 1: is not UTF-8"):
        read_prompt_sets(positive, negative)
    negative.write_text(" \n")
    with pytest.raises(CallerError, match="has no negative example"):
        read_prompt_sets(positive, negative)


def test_clean_pairs_lose_nothing(tmp_path: Path) -> None:
    assert len(read_pairs(write(tmp_path / "f", *clean(300))).lines) == 300
