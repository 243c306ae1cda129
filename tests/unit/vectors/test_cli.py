"""`steersman vectors` as a user runs it: real processes, real Valkey."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from steersman_vectors.card import Preset
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.registry.embedded import attach_or_start, open_registry

from .commands import STEERSMAN, Run, imported
from .samples import FP_B, differences, vector, write_control_vector, write_model


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return write_control_vector(tmp_path / "empathy.gguf", differences())


def test_import_list_and_show_for_people(run_process: Run, gguf: Path, model_dir: Path) -> None:
    run = run_process
    done = run("vectors", "import", gguf, "--name", "empathy", "--model", model_dir)
    assert (done.returncode, done.stderr) == (0, "")
    assert "empathy@1: imported" in done.stdout
    assert "direction.<k> is added after decoder block k" in done.stdout
    digest = fingerprint(model_dir).digest
    assert digest in done.stdout
    again = run("vectors", "import", gguf, "--name", "empathy", "--model", model_dir)
    assert "empathy@1: already registered, nothing was changed" in again.stdout
    listed = run("vectors", "list")
    header, row = listed.stdout.splitlines()
    assert header.split()[:4] == ["name", "version", "aliases", "scale"]
    assert row.split()[:4] == ["empathy", "1", "-", "raw"]
    assert digest[:19] in row
    shown = run("vectors", "show", "empathy")
    assert f"{np.linalg.norm(differences()[1]):.4g}" in shown.stdout
    assert "\x1b" not in listed.stdout + shown.stdout


def test_import_list_and_show_for_programs(run: Run, tmp_path: Path, model_dir: Path) -> None:
    evidence = {"warm_share": 0.97}
    preset = Preset(alpha=0.5, scope="assistant", evidence=evidence)
    made = vector(alpha_max=2.0, presets={"low": preset}, description="warm\x1b[31m")
    native.save(made, tmp_path / "v.safetensors")
    first = imported(run, tmp_path / "v.safetensors", "warm", model_dir, "--actor", "ann")
    assert first["created"] is True
    assert first["format"] == "native"
    assert (first["version"], first["scale"], first["layers"]) == (1, "raw", [1, 2])
    assert first["fingerprint"] == fingerprint(model_dir).digest
    native.save(vector(1), tmp_path / "v.safetensors")
    second = imported(run, tmp_path / "v.safetensors", "warm", model_dir)
    assert (second["created"], second["version"]) == (True, 2)

    newest = json.loads(run("vectors", "list", "--json").stdout)
    assert (newest["revision"], [v["version"] for v in newest["vectors"]]) == (2, [2])
    everything = json.loads(run("vectors", "list", "--json", "--all").stdout)
    assert [v["version"] for v in everything["vectors"]] == [1, 2]
    shown = json.loads(run("vectors", "show", "warm@1", "--json").stdout)
    assert (shown["actor"], shown["versions"], shown["aliases"]) == ("ann", [1, 2], {})
    assert shown["card"]["presets"]["low"]["evidence"] == evidence
    assert (shown["card"]["name"], shown["card"]["fingerprint"]) == ("warm", first["fingerprint"])
    people = run("vectors", "show", "warm@1").stdout
    assert "warm_share" in people
    assert "\x1b" not in people


def test_the_scale_of_the_command_line_is_the_one_stored(
    run: Run, gguf: Path, model_dir: Path
) -> None:
    assert imported(run, gguf, "a", model_dir, "--scale", "unit")["scale"] == "unit"
    refused = run(
        "vectors", "import", gguf, "--name", "a", "--model", model_dir, "--scale", "residual"
    )
    assert (refused.returncode, "expected raw or unit" in refused.stderr) == (3, True)


def test_it_works_while_a_server_runs_and_the_server_sees_it(
    run: Run, run_process: Run, data_dir: Path, gguf: Path, model_dir: Path
) -> None:
    with open_registry(data_dir):
        assert imported(run_process, gguf, "empathy", model_dir)["version"] == 1
        assert len(json.loads(run("vectors", "list", "--json").stdout)["vectors"]) == 1
    assert "empathy@1" in run("vectors", "show", "empathy").stdout


def test_commands_at_the_same_time_take_turns(
    run: Run, data_dir: Path, gguf: Path, model_dir: Path
) -> None:
    arguments = ["vectors", "import", str(gguf), "--name", "empathy", "--model", str(model_dir)]
    with attach_or_start(data_dir):
        waiting = subprocess.Popen([*STEERSMAN, *arguments])
        time.sleep(2.0)
        assert waiting.poll() is None
    assert waiting.wait(300) == 0
    assert len(json.loads(run("vectors", "list", "--json").stdout)["vectors"]) == 1


WRONG = {
    "no such file": ({"file": "none"}, 3, "file_unreadable"),
    "no such model": ({"model": "none"}, 3, "model_not_found"),
    "a folder that is no model": ({"model": "."}, 3, "model_unreadable"),
    "bad name": ({"name": "A B"}, 3, "invalid_name"),
    "pickle": ({"file": "v.pt"}, 3, "unsafe_format"),
    "text": ({"file": "v.txt"}, 3, "invalid_vector_file"),
    "hidden size": ({"file": "wide"}, 3, "hidden_size_mismatch"),
    "layers": ({"file": "deep"}, 3, "layer_out_of_range"),
    "another model's": ({"file": "foreign"}, 3, "vector_model_mismatch"),
    "data dir": ({"data_dir": "v.txt"}, 4, "data_dir_unusable"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_is_one_line_and_stores_nothing(
    run: Run, tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    native.save(vector(), tmp_path / "v")
    native.save(vector(hidden=16), tmp_path / "wide")
    native.save(vector(layers=(1, 4)), tmp_path / "deep")
    native.save(vector(fingerprint=FP_B), tmp_path / "foreign")
    (tmp_path / "v.pt").write_bytes(b"\x80\x04K\x01.")
    (tmp_path / "v.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    wrong, status, code = WRONG[what]
    use = {"file": "v", "name": "v", "model": "model", "data_dir": "data", **wrong}
    options = ("--name", use["name"], "--model", use["model"], "--data-dir", use["data_dir"])
    done = run("vectors", "import", use["file"], *options)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"[{code}]\n")
    assert not (tmp_path / "data").exists()


def test_mismatches_name_got_and_expected(run: Run, tmp_path: Path, model_dir: Path) -> None:
    native.save(vector(layers=(1, 4, 9)), tmp_path / "deep")
    done = run("vectors", "import", tmp_path / "deep", "--name", "v", "--model", model_dir)
    assert "got layers [4, 9], expected layer_idx 0 to 3" in done.stderr
    native.save(vector(fingerprint=FP_B), tmp_path / "foreign")
    done = run("vectors", "import", tmp_path / "foreign", "--name", "v", "--model", model_dir)
    assert FP_B in done.stderr
    assert fingerprint(model_dir).digest in done.stderr


def test_errors_for_programs_are_json_on_stderr(run: Run) -> None:
    done = run("vectors", "show", "nothing", "--json")
    assert (done.returncode, done.stdout) == (3, "")
    assert json.loads(done.stderr)["error"]["code"] == "vector_not_found"


@pytest.mark.parametrize(
    "args",
    [
        ["vectors", "import"],
        ["vectors", "list", "--nonsense"],
        ["vectors", "nonsense"],
        ["vectors", "import", "f", "--name", "v", "--model", "m", "--scale", "token"],
    ],
)
def test_wrong_usage_ends_with_two(run: Run, args: list[str]) -> None:
    assert run(*args).returncode == 2


def test_an_empty_data_directory_is_not_created_by_looking(run: Run, data_dir: Path) -> None:
    assert "No vectors" in run("vectors", "list").stdout
    assert json.loads(run("vectors", "list", "--json").stdout)["vectors"] == []
    assert run("vectors", "show", "v").returncode == 3
    assert not data_dir.exists()


def test_two_models_with_one_name_are_told_apart(
    run: Run, tmp_path: Path, gguf: Path, model_dir: Path
) -> None:
    other = write_model(tmp_path / "other", seed=1)
    for folder in (model_dir, other):
        imported(run, gguf, "v", folder)
    ambiguous = run("vectors", "show", "v")
    assert (ambiguous.returncode, "vector_ambiguous" in ambiguous.stderr) == (3, True)
    digest = fingerprint(other).digest
    for model in (str(other), digest, digest[:19]):
        shown = json.loads(run("vectors", "show", "v", "--model", model, "--json").stdout)
        assert shown["fingerprint"] == digest
        listed = json.loads(run("vectors", "list", "--model", model, "--json").stdout)
        assert [v["fingerprint"] for v in listed["vectors"]] == [digest]


COMMANDS = (
    *("import", "list", "show", "push", "export", "promote", "rollback", "retire", "diff"),
    *("verify", "gc", "log", "stale", "calibrate"),
)


@pytest.mark.parametrize(
    "args", ["", "fingerprint", "vectors", *(f"vectors {c}" for c in COMMANDS)]
)
def test_help_shows_examples_and_exit_codes(run: Run, args: str) -> None:
    done = run(*args.split(), "--help")
    assert done.returncode == 0
    assert "Exit codes: 0 done, 2 wrong usage" in " ".join(done.stdout.split())
    assert "Examples" in done.stdout or args == "vectors"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from steersman_server.cli import main\n"
        "print(sorted({'torch', 'vllm', 'numpy', 'pydantic', 'redis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
