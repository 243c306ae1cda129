"""`vectors sweep` up to the engine: what is refused before one boots, and what needs none."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from steersman_server.cli.sweep_options import Asked, plan
from steersman_server.cli.sweep_views import parts
from steersman_vectors.formats import native
from steersman_vectors.schedule import Linear
from steersman_vectors.sweep.contract import Answer
from steersman_vectors.sweep.grid import from_json, runs
from steersman_vectors.sweep.results import ResultsFile
from steersman_vectors.sweep.rows import row_of
from tests.unit.vectors.commands import Run
from tests.unit.vectors.samples import FP_A, vector

LOOP = Answer("I am sorry. " * 40, "length", (7, 8) * 20, (-0.25,) * 40)
FINE = Answer("Your order leaves today.", "stop", (1, 2, 3, 4), (-1.0, -2.0, -3.0, -4.0))


@pytest.fixture
def asked(model_dir: Path, tmp_path: Path) -> list[object]:
    """A command line but for --out."""
    for name in ("warm", "brief"):
        card = {"schedule": Linear(tokens=1), "scope": "generation"} if name == "warm" else {}
        native.save(vector(name=name, **card), tmp_path / f"{name}.safetensors")
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "Where is my order?"}\n{"prompt": "Why?", "id": "why"}\n')
    files = [tmp_path / "warm.safetensors", tmp_path / "brief.safetensors"]
    options = ["--model", model_dir, "--prompts", prompts, "--alphas", "0,0.5,2"]
    return ["vectors", "sweep", *files, *options]


def grid_of(asked: list[object], **changed: object):
    _, _, warm, brief, _, model, _, prompts, _, alphas = asked
    given = {
        "files": [warm, brief], "model": str(model), "alphas": alphas, "prompts": prompts,
        "layers": ["own"], "temperature": 0.0, "samples": 1, "max_tokens": 192, "seed": 0,
        "scope": None, "schedule": None,
    }  # fmt: skip
    return plan(Asked(**{**given, **changed})).grid  # type: ignore[arg-type]


def test_the_card_says_how_a_vector_is_applied_and_options_say_it_over_it(asked):
    warm, brief = grid_of(asked).vectors
    assert (warm.scope, warm.schedule) == ("generation", Linear(tokens=1))
    assert (brief.scope, brief.schedule.kind) == ("assistant", "constant")
    changed = grid_of(asked, scope="all", schedule='{"kind": "linear", "tokens": 9}')
    assert {(v.scope, v.schedule) for v in changed.vectors} == {("all", Linear(tokens=9))}


def test_answers_that_are_there_need_no_engine(asked, tmp_path, run: Run):
    grid = grid_of(asked, layers=["own", "1"])
    out = tmp_path / "out.jsonl"
    with ResultsFile(out, grid) as file:
        for each in runs(grid):
            file.write(row_of(each, LOOP if each.setting.alpha == 2.0 else FINE))
    more = ["--layers", "own", "--layers", "1", "--out", out, "--engine", "no-such-engine"]
    done = run(*asked, *more, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["configurations"], said["answers"], said["missing"]) == (24, 18, 0)
    unsteered, *steered = said["settings"]
    assert (unsteered["vector"], unsteered["degenerate"]) == (None, 0)
    assert {(s["alpha"], s["degenerate_rate"]) for s in steered} == {(0.5, 0.0), (2.0, 1.0)}
    shown = run(*asked, *more).stdout
    assert re.search(r"warm: degenerate answers", shown)
    assert re.search(r"own \(1,2\) +0% +100%", shown)
    assert "18 answers to 24 configurations" in shown
    assert "all of them were there" in shown


def test_what_is_wrong_is_said_before_an_engine_is_looked_for(asked, tmp_path, run: Run):
    other = tmp_path / "other.safetensors"
    native.save(vector(name="other", fingerprint=FP_A), other)
    small = tmp_path / "small.safetensors"
    native.save(vector(name="small", hidden=4), small)
    out = ["--out", tmp_path / "out.jsonl"]
    for more, code in (
        (["--layers", "all"], "layers_not_in_vector"),
        (["--layers", "every"], "invalid_layers"),
        (["--layers", "own", "--layers", "own"], "invalid_grid"),
        (["--alphas", "0,much"], "invalid_grid"),
        (["--samples", "3"], "invalid_grid"),
        (["--schedule", '{"kind": "sine"}'], "invalid_schedule"),
        (["--prompts", tmp_path / "none.jsonl"], "prompts_not_found"),
        (["--model", tmp_path / "none"], "model_not_found"),
        ([other], "vector_model_mismatch"),
        ([small], "hidden_size_mismatch"),
        ([asked[2]], "invalid_grid"),
        (["--alphas", "0,1e30"], "invalid_grid"),
        (["--engine", "no-such-engine"], "unknown_engine"),
    ):
        done = run(*asked, *more, *out, "--json")
        assert done.returncode == 3, (more, done.stderr)
        assert json.loads(done.stderr)["error"]["code"] == code
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 1  # its grid, from the last


def test_parquet_is_refused_at_once_where_pyarrow_is_missing(
    asked, tmp_path, run: Run, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run(*asked, "--out", tmp_path / "o.jsonl", "--parquet", tmp_path / "o.parquet", "--json")
    assert done.returncode == 4
    assert json.loads(done.stderr)["error"]["code"] == "parquet_unavailable"
    assert not (tmp_path / "o.jsonl").exists()


def test_parquet_holds_what_the_lines_hold(asked, tmp_path, run: Run):
    grid = grid_of(asked)
    with ResultsFile(tmp_path / "o.jsonl", grid) as file:
        rows = [row_of(each, FINE) for each in runs(grid)]
        for row in rows:
            file.write(row)
    done = run(*asked, "--out", tmp_path / "o.jsonl", "--parquet", tmp_path / "o.parquet")
    assert done.returncode == 0, done.stderr
    table = parquet.read_table(tmp_path / "o.parquet")
    assert [each["id"] for each in table.to_pylist()] == [row.id for row in rows]
    assert table.to_pylist()[-1]["token_ids"] == list(FINE.token_ids)
    assert from_json(json.loads(table.schema.metadata[b"steersman_sweep"])["grid"]) == grid


@pytest.mark.parametrize("option", ["--out", "--parquet"])
def test_what_is_given_is_never_replaced(asked, tmp_path, run: Run, option: str):
    prompts = Path(asked[asked.index("--prompts") + 1])
    before = prompts.read_bytes()
    files = {"--out": tmp_path / "o.jsonl", "--parquet": tmp_path / "o.parquet", option: prompts}
    done = run(*asked, *(part for pair in files.items() for part in pair), "--json")
    assert done.returncode == 3
    assert json.loads(done.stderr)["error"]["code"] == "path_unusable"
    assert prompts.read_bytes() == before


def test_a_table_replaces_only_a_sweeps_own(asked, tmp_path, run: Run):
    grid, out, table = grid_of(asked), tmp_path / "o.jsonl", tmp_path / "o.parquet"
    with ResultsFile(out, grid) as file:
        for each in runs(grid):
            file.write(row_of(each, FINE))
    command = (*asked, "--out", out, "--parquet", table, "--json")
    foreign = pyarrow.table({"id": ["mine"]})
    parquet.write_table(foreign, tmp_path / "foreign.parquet")
    for mine in (b"notes", b"", (tmp_path / "foreign.parquet").read_bytes()):
        table.write_bytes(mine)
        done = run(*command)
        assert done.returncode == 3, done.stdout
        assert json.loads(done.stderr)["error"]["code"] == "file_exists"
        assert table.read_bytes() == mine
    table.unlink()
    for _ in range(2):
        assert run(*command).returncode == 0
    assert parquet.read_table(table).num_rows == len(runs(grid))


def test_a_stopped_sweep_says_how_to_go_on(asked, tmp_path):
    from steersman_server.cli.sweep_run import Swept
    from steersman_vectors.sweep.results import read_results

    grid = grid_of(asked)
    with ResultsFile(tmp_path / "o.jsonl", grid) as file:
        for each in runs(grid)[:3]:
            file.write(row_of(each, FINE))
    results = read_results(tmp_path / "o.jsonl")
    *_, said = parts(Swept(tmp_path / "o.jsonl", results, 3, 1.5, interrupted=True))
    assert said.startswith("stopped: 3 of 10 answers are in")
    assert "Run the same command again" in said


@pytest.mark.parametrize("count", ["0", "-3"])
def test_no_answers_at_once_is_a_wrong_option(asked, tmp_path, run: Run, count: str):
    done = run(*asked, "--out", tmp_path / "o.jsonl", "--at-once", count)
    assert done.returncode == 2
    assert "--at-once" in done.stderr
    assert not (tmp_path / "o.jsonl").exists()
