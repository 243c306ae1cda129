"""The command line on a real Valkey, in this process; two vectors in the registry on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from steersman_vectors.card import Preset
from steersman_vectors.formats import native
from steersman_vectors.registry.embedded import open_registry
from tests.unit.vectors.commands import Done, Run, imported
from tests.unit.vectors.conftest import _own_home, model_dir, run, run_process
from tests.unit.vectors.samples import vector

__all__ = ["_own_home", "model_dir", "run", "run_process"]

Answer = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def served_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A data directory as a running server holds it, and the URL of its registry."""
    folder = tmp_path_factory.mktemp("served")
    with open_registry(folder) as registry:
        yield folder, registry.url


@pytest.fixture
def data_dir(served_dir: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands find an empty registry, of a server that runs."""
    folder, url = served_dir
    with redis.Redis.from_url(url) as client:
        client.flushall()
    monkeypatch.setenv("STEERSMAN_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def fresh_dir(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands keep their registry without a server; not there yet."""
    monkeypatch.setenv("STEERSMAN_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def vectors(run: Run, tmp_path: Path, model_dir: Path) -> dict[str, dict[str, Any]]:
    """`empathy` (presets low 0.3, strong 0.9; at most 1) and `concise`, in the registry."""
    presets = {"low": Preset(alpha=0.3), "strong": Preset(alpha=0.9)}
    native.save(vector(0, alpha_max=1.0, presets=presets), tmp_path / "empathy.safetensors")
    native.save(vector(1), tmp_path / "concise.safetensors")
    return {
        name: imported(run, tmp_path / f"{name}.safetensors", name, model_dir)
        for name in ("empathy", "concise")
    }


@pytest.fixture
def answer(run: Run) -> Answer:
    """Runs a command with --json and returns what it prints for programs: answer or error."""

    def ask(*args: object, code: int = 0) -> dict[str, Any]:
        done: Done = run(*args, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout or done.stderr)
        return found.get("error", found)  # type: ignore[no-any-return]

    return ask
