"""`steersman intents` as a user runs it: in this process, and once in one of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from steersman_server.cli.main import main
from steersman_server.intent.load import DEMO

HELD_OUT = Path(__file__).parents[4] / "vectors/steersman_demo/intents/data/held_out.jsonl"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def steersman(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["steersman", "intents", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return steersman


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    rows = [json.loads(line) for line in HELD_OUT.read_text().splitlines()][:200]
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_classify_for_people_and_programs(run: Run) -> None:
    code, out, err = run("classify", "where is my parcel")
    assert (code, err) == (0, "")
    assert out.startswith("delivery (")
    code, out, _ = run("classify", "I want to kill myself", "--json")
    found = json.loads(out)
    assert (found["label"], found["safety"], found["source"]) == ("safety", True, "embedding")
    assert "served unsteered" in run("classify", "I want to kill myself")[1]
    assert run("classify", "tell me a joke")[1].startswith("no intent (embedding); the best label")
    follow_up = ("please tell me how long it takes", "--context", "where is my parcel")
    assert run("classify", *follow_up)[1].startswith("delivery")


def test_classify_reads_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"where is my parcel\n", b"where is my parcel \xff\xfe"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert run("classify", "-")[1].startswith("delivery")


def test_train_test_and_classify(run: Run, messages: Path, tmp_path: Path) -> None:
    code, out, err = run("train", messages, "--out", tmp_path / "mine", "--threshold", "0.7")
    assert (code, err) == (0, "")
    assert "Threshold 0.70" in out
    assert "Confusion" in out
    code, out, _ = run("test", tmp_path / "mine", messages)
    assert "expected calibration error" in out
    assert "Right by source: by hand" in out
    found = json.loads(run("test", tmp_path / "mine", messages, "--json")[1])
    assert found["texts"] == 200
    classified = run("classify", "my package is late", "--classifier", tmp_path / "mine", "--json")
    assert json.loads(classified[1])["best"] in found["confusion"]
    again = json.loads(run("train", messages, "--out", tmp_path / "mine", "--json")[1])
    assert again["labels"] == ["account", "billing", "delivery", "safety", "technical"]


def test_train_on_two_files_or_without_measuring(run: Run, messages: Path, tmp_path: Path) -> None:
    both = ("train", messages, "--out", tmp_path / "a", "--test", HELD_OUT, "--json")
    _, out, err = run(*both)
    assert json.loads(out)["held_out"]["texts"] == 501
    assert "200 of the held-out messages were trained on" in err
    inside = [line for line in messages.read_text().splitlines() if '"label": null' not in line]
    messages.write_text("\n".join(inside))
    none = run("train", messages, "--out", tmp_path / "b", "--test-share", "0")
    assert "abstain too seldom" in none[1]
    assert "Nothing was kept back" in none[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("test", DEMO, "missing.jsonl"), "missing.jsonl"),
        (("test", "missing", HELD_OUT), "steersman intents train"),
        (("train", HELD_OUT, "--out", HELD_OUT), "is a file; choose a new or empty folder"),
        (("train", DEMO / "card.json", "--out", "o"), "line 1: is not JSON"),
        (("classify", "x", "--classifier", HELD_OUT), "ends in .json or .toml"),
    ],
)
def test_refusals_in_one_line(run: Run, arguments: tuple[object, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 3
    assert said in err
    assert len(err.splitlines()) == 1
    as_json = run(*arguments, "--json")
    assert said in json.loads(as_json[2])["error"]["message"]


def test_help_has_examples(run: Run) -> None:
    for command in ("train", "test", "classify"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert f"steersman intents {command}" in out


def test_neither_torch_nor_scikit_learn_is_loaded_to_classify() -> None:
    code = (
        "import sys; sys.argv = ['steersman', 'intents', 'classify', 'where is my parcel']\n"
        "from steersman_server.cli.main import app\n"
        "app(standalone_mode=False)\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'model2vec', 'vllm'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[0].startswith("delivery")
    assert done.stdout.splitlines()[1] == "[]"
