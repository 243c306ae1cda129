"""Paths on the command line: `~` is somebody's home, and what cannot be a path is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steersman_server.cli.main import app
from steersman_vectors.errors import CallerError

from .commands import Run

NOBODY = "~nouser-of-steersman"


@pytest.mark.parametrize(
    "model", [NOBODY, f"{NOBODY}/x", "", " ", "a b", "x" * 5000, "\udcff", "-"]
)
def test_odd_models_end_in_one_line(run: Run, model: str) -> None:
    done = run("fingerprint", model)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "expected a" in done.stderr or "Choose another path" in done.stderr
    refusal = json.loads(run("fingerprint", model, "--json").stderr)
    assert refusal["error"]["code"] in {"model_not_found", "path_unusable"}


@pytest.mark.parametrize(
    "command",
    [
        ("vectors", "list"),
        ("vectors", "show", "a"),
        ("vectors", "promote", "a@1", "prod"),
        ("vectors", "retire", "a@1", "--reason", "r"),
        ("vectors", "verify"),
        ("vectors", "gc"),
        ("vectors", "log"),
        ("serve", "m"),
        ("demo",),
    ],
)
def test_a_data_directory_of_nobody_is_one_line_with_a_remedy(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    done = run(*command, "--data-dir", f"{NOBODY}/x")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert f"cannot use '{NOBODY}/x'" in done.stderr
    assert "give --data-dir a folder" in done.stderr
    if command == ("vectors", "list"):
        monkeypatch.setenv("STEERSMAN_DATA_DIR", f"{NOBODY}/x")
        assert "give --data-dir a folder" in run(*command).stderr
        monkeypatch.delenv("STEERSMAN_DATA_DIR")
        monkeypatch.setenv("XDG_DATA_HOME", NOBODY)
        assert "give --data-dir a folder" in run(*command).stderr


def test_serve_and_commands_expand_the_data_directory_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steersman_server.serve import run as serving

    seen: list[Path] = []
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(serving, "serve", lambda options: seen.append(options.data_dir))
    done = CliRunner().invoke(app, ["serve", "m", "--data-dir", "~/x"], catch_exceptions=False)
    assert (done.exit_code, seen) == (0, [tmp_path / "x"])


def test_the_registry_of_nobody_is_refused_to_programs_too() -> None:
    from steersman_vectors.registry.embedded import attach_or_start

    with pytest.raises(CallerError, match="choose another data directory"):
        attach_or_start(Path(NOBODY))
