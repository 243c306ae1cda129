"""`steersman pairs` as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steersman_vectors.pairs.read import read_pairs
from tests.unit.vectors.commands import STEERSMAN, Run

from .model_server import Scripted, fails, good, says, serving
from .samples import clean, write


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as running:
        running.answer = good
        yield running


def error(stderr: str) -> dict[str, Any]:
    return json.loads(stderr.splitlines()[-1])["error"]  # type: ignore[no-any-return]


def test_check_for_people_and_programs(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "f.jsonl", *clean(200))
    done = run("pairs", "check", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("200 pairs")
    assert "Nothing is wrong." in done.stdout
    report = json.loads(run("pairs", "check", file, "--json").stdout)
    assert report["findings"] == []
    assert report["data_hash"] == read_pairs(file).data_hash
    assert sum(report["positive"].values()) == 200


def test_check_ends_with_3_for_errors_only(run: Run, tmp_path: Path) -> None:
    values = clean(200)
    file = write(tmp_path / "f.jsonl", *values, values[0])
    done = run("pairs", "check", file)
    assert done.returncode == 0
    assert "note: 1 lines repeat an earlier one" in done.stdout
    assert "1 note" in done.stdout
    values[3]["negative"] = values[4]["positive"] + "\x1b[31m"
    values[5]["positive"] = values[4]["positive"]
    values[5]["negative"] = values[4]["positive"].upper() + " x"
    values[6]["negative"] = values[4]["positive"]
    done = run("pairs", "check", write(file, *values))
    assert done.returncode == 3
    assert "error: 1 answers stand on both sides" in done.stdout
    assert "remedy" in done.stdout
    assert "\x1b" not in done.stdout


def test_check_of_prompt_files(run: Run, tmp_path: Path) -> None:
    positive, negative = tmp_path / "p.txt", tmp_path / "n.txt"
    positive.write_text("".join(f"I am so glad about the {v['prompt']}\n" for v in clean(5)))
    negative.write_text("".join(f"I am so sad about the {v['prompt']}\n" for v in clean(5, 9)))
    done = run("pairs", "check", "--positive", positive, "--negative", negative)
    assert "10 labelled examples" in done.stdout
    assert "--split none" in done.stdout
    for wrong in ((), (positive, "--negative", negative), ("--positive", positive)):
        done = run("pairs", "check", *wrong, "--json")
        assert done.returncode == 3
        assert error(done.stderr)["code"] == "invalid_option"


def test_a_damaged_file_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("{}\n")
    done = run("pairs", "check", tmp_path / "f")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "line 1: has the keys []" in done.stderr
    for shares in ("1,2", "a,b,c", "0.9,0.9,0.9"):
        assert run("pairs", "check", tmp_path / "f", "--shares", shares).returncode == 3


def test_split(run: Run, tmp_path: Path) -> None:
    file, out = write(tmp_path / "f.jsonl", *clean(100)), tmp_path / "a" / "b"
    done = run("pairs", "split", file, "--out", out, "--json")
    lines = json.loads(done.stdout)["lines"]
    assert {p.stem: len(p.read_text().splitlines()) for p in out.iterdir()} == lines
    assert sum(lines.values()) == 100
    assert error(run("pairs", "split", file, "--out", out, "--json").stderr)["code"] == "out_exists"
    done = run("pairs", "split", file, "--out", tmp_path / "c", "--shares", "1,0,0")
    assert "train.jsonl 100" in done.stdout
    assert "warning: heldout.jsonl has no line" in done.stderr


def generate(server: Scripted, *more: object) -> list[object]:
    return ["pairs", "generate", "--concept", "warmth", "--endpoint", server.url, *more]


def test_generate_then_resume(run: Run, server: Scripted, tmp_path: Path) -> None:
    out = tmp_path / "f.jsonl"
    done = run(*generate(server, "--count", 20, "--out", out))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Wrote 20 lines" in done.stdout
    first = out.read_bytes()
    assert len(read_pairs(out).lines) == 20
    again = run(*generate(server, "--count", 30, "--out", out, "--json"))
    assert error(again.stderr)["code"] == "out_exists"
    command = generate(server, "--count", 30, "--out", out, "--resume", "--seed", 1, "--json")
    resumed = json.loads(run(*command).stdout)
    assert (resumed["written"], resumed["in_all"]) == (10, 30)
    assert out.read_bytes().startswith(first)
    assert len(read_pairs(out).lines) == 30


def test_generate_to_standard_output(run: Run, server: Scripted) -> None:
    done = run(*generate(server, "--count", 7, "--temperature", 0.5))
    assert [json.loads(line)["meta"]["concept"] for line in done.stdout.splitlines()] == (
        ["warmth"] * 7
    )
    assert server.asked[0]["temperature"] == 0.5


def test_fewer_than_wanted_is_said(run: Run, server: Scripted, tmp_path: Path) -> None:
    done = run(*generate(server, "--out", tmp_path / "f", "--max-requests", 3, "--concurrency", 1))
    assert done.returncode == 0
    assert "warning: 10 of 100 lines (max_requests): raise --max-requests" in done.stderr


def test_keys_are_taken_from_the_environment(
    run: Run, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "s3cret"
    out = tmp_path / "f"
    command = generate(server, "--count", 5, "--out", out, "--json")
    assert error(run(*command).stderr)["code"] == "endpoint_unauthorized"
    missing = error(run(*command, "--api-key-env", "WRITER_KEY").stderr)
    assert "'WRITER_KEY' is not set" in missing["message"]
    monkeypatch.setenv("WRITER_KEY", "s3cret")
    done = run(*command, "--api-key-env", "WRITER_KEY")
    assert done.returncode == 0
    assert "s3cret" not in done.stdout + done.stderr + out.read_text()


def test_models_that_cannot_leave_nothing(run: Run, server: Scripted, tmp_path: Path) -> None:
    server.answer = lambda *_: says("Once upon a time")
    done = run(*generate(server, "--out", tmp_path / "f"))
    assert done.returncode == 3
    assert "writes no JSON when asked for topics" in done.stderr
    assert "Nothing was written" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_amid_the_run_says_what_is_kept(
    run: Run, server: Scripted, tmp_path: Path
) -> None:
    server.answer = lambda text, body: (
        good(text, body) if len(server.asked) < 4 else fails(400, "too long")
    )
    done = run(*generate(server, "--out", tmp_path / "f", "--concurrency", 1))
    assert done.returncode == 3
    assert "stopped by an error: 10 new lines are kept" in done.stderr
    assert "status 400: too long" in done.stderr
    assert len(read_pairs(tmp_path / "f").lines) == 10


def test_ctrl_c_keeps_what_there_is(server: Scripted, tmp_path: Path) -> None:
    out = tmp_path / "f"
    server.answer = lambda text, body: (
        good(text, body) if len(server.asked) < 4 else _late(text, body)
    )
    command = [*STEERSMAN, *map(str, generate(server, "--out", out, "--concurrency", 1))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while len(server.asked) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.startswith("warning: interrupted: 10 new lines are kept")
    assert "Traceback" not in said
    assert len(read_pairs(out).lines) == 10


def _late(text: str, body: dict[str, Any]) -> Any:
    time.sleep(3)
    return good(text, body)
