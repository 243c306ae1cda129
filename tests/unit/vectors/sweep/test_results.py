"""Results outlive any end, are continued, and are never mixed or silently lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.sweep.contract import Answer
from steersman_vectors.sweep.grid import Grid, runs
from steersman_vectors.sweep.results import ResultsFile, read_results
from steersman_vectors.sweep.rows import line_of, parse_row, row_of

from .samples import PLAIN, answers, grids

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(path: Path, grid: Grid, said: list, first: int = 0) -> None:
    with ResultsFile(path, grid) as file:
        for run, answer in zip(runs(grid)[first:], said, strict=False):
            if run.id not in file.done:
                file.write(row_of(run, answer))


@given(grids, answers)
def test_a_row_is_a_line_and_back(grid, answer):
    for run in runs(grid)[:5]:
        row = row_of(run, answer)
        line = line_of(row)
        assert line.count(b"\n") == 1
        assert parse_row(line) == row
        assert (row.text, row.token_ids) == (answer.text, answer.token_ids)
        assert row.vector == (run.setting.vector.name if run.setting.steers else None)


def test_numbers_that_are_none_stay_json():
    run = runs(PLAIN)[0]
    row = row_of(run, Answer("!", "length", (1, 2, 3), (float("nan"), float("-inf"), -0.12345678)))
    assert row.logprobs == (None, None, -0.123457)
    assert json.loads(line_of(row))["logprobs"] == [None, None, -0.123457]
    assert parse_row(line_of(row)) == row


@same_folder
@given(grids, st.data())
def test_cut_anywhere_it_goes_on_and_ends_as_if_never_cut(tmp_path, grid, data):
    """A process killed at any byte leaves what comes before; the rest is done again, no more."""
    path = tmp_path / "results.jsonl"
    path.unlink(missing_ok=True)
    said = data.draw(st.lists(answers, min_size=len(runs(grid)), max_size=len(runs(grid))))
    written(path, grid, said)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    with ResultsFile(path, grid) as file:
        done = file.done
    assert len(done) == max(0, whole[:cut].count(b"\n") - 1)
    assert path.read_bytes() == whole[: max(whole[:cut].rfind(b"\n") + 1, whole.find(b"\n") + 1)]
    written(path, grid, said)
    assert path.read_bytes() == whole
    results = read_results(path)
    assert results.missing == 0
    assert [row.text for row in results.rows.values()] == [answer.text for answer in said]


@same_folder
@given(grids, st.data())
def test_damage_in_the_middle_is_found_and_said(tmp_path, grid, data):
    path = tmp_path / "results.jsonl"
    path.unlink(missing_ok=True)
    said = data.draw(st.lists(answers, min_size=len(runs(grid)), max_size=len(runs(grid))))
    written(path, grid, said)
    lines = path.read_bytes().split(b"\n")
    number = data.draw(st.integers(1, len(lines) - 2))
    damage = data.draw(
        st.sampled_from(
            [b"", b"{}", b"null", lines[number][:-3], b"\0" * 9, lines[1] if number > 1 else b"[]"]
        )
    )
    path.write_bytes(b"\n".join([*lines[:number], damage, *lines[number + 1 :]]))
    for look in (lambda: ResultsFile(path, grid), lambda: read_results(path)):
        with pytest.raises(CallerError, match=rf"line {number + 1} .*sed -i {number + 1}d"):
            look()
    path.write_bytes(b"\n".join([*lines[:number], *lines[number + 1 :]]))
    written(path, grid, said)
    assert read_results(path).missing == 0


@same_folder
@given(grids, answers)
def test_another_grid_is_refused_and_the_file_stays(tmp_path, grid, answer):
    path = tmp_path / "results.jsonl"
    path.unlink(missing_ok=True)
    written(path, grid, [answer] * 3)
    before = path.read_bytes()
    for other, name in (
        (replace(grid, max_tokens=grid.max_tokens + 1), "max_tokens"),
        (replace(grid, model="sha256:" + "b" * 64), "model"),
        (replace(grid, alphas=(*grid.alphas, 7.5)), "alphas"),
    ):
        with pytest.raises(CallerError, match=f"differs in: {name}") as caught:
            ResultsFile(path, other)
        assert caught.value.code == "results_of_another_sweep"
        assert path.read_bytes() == before


def test_a_corrected_grid_takes_a_file_without_answers(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsFile(path, PLAIN):
        pass
    other = replace(PLAIN, max_tokens=PLAIN.max_tokens + 1)
    with ResultsFile(path, other) as file:
        assert file.done == frozenset()
    assert read_results(path).grid == other


@pytest.mark.parametrize("content", [b"notes\n", b"notes", b'{"a": 1}\n', b"\n", b"[1]\nx\n"])
def test_what_is_no_results_file_is_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(CallerError) as caught:
        ResultsFile(path, PLAIN)
    assert caught.value.code == "results_damaged"
    assert path.read_bytes() == content


def test_one_sweep_at_a_time(tmp_path):
    grid = PLAIN
    with ResultsFile(tmp_path / "r.jsonl", grid):
        with pytest.raises(OperatorError) as caught:
            ResultsFile(tmp_path / "r.jsonl", grid)
        assert caught.value.code == "results_in_use"
    with ResultsFile(tmp_path / "r.jsonl", grid) as file:
        assert file.done == frozenset()


def test_paths_that_cannot_be(tmp_path):
    with pytest.raises(CallerError) as caught:
        ResultsFile(tmp_path / "no" / "r.jsonl", PLAIN)
    assert caught.value.code == "path_unusable"
    with pytest.raises(CallerError) as caught:
        read_results(tmp_path / "r.jsonl")
    assert caught.value.code == "results_not_found"
