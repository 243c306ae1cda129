"""A real Valkey per test module, a home directory that is nobody's, the command line."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import typer.main

from steersman_server.cli.main import main
from steersman_vectors.registry.embedded import Embedded, open_registry

from .commands import STEERSMAN, Done, Run
from .samples import write_model
from .valkey_owners import Owner, Start

COMMAND_OF = functools.cache(typer.main.get_command)
"""Typer makes all commands anew for each call: most of what a call costs in one process."""


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.delenv("STEERSMAN_DATA_DIR", raising=False)


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with open_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def registry_url(valkey: Embedded) -> str:
    """The URL of an empty registry."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands keep their registry; not there yet."""
    monkeypatch.setenv("STEERSMAN_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def run(data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process, without a terminal."""
    monkeypatch.setattr("typer.main.get_command", COMMAND_OF)

    def steersman(*args: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["steersman", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return steersman


@pytest.fixture
def run_process(data_dir: Path) -> Run:
    """Runs the command line in a process of its own."""

    def steersman(*args: object) -> Done:
        done = subprocess.run(
            [*STEERSMAN, *map(str, args)], capture_output=True, text=True, timeout=300, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return steersman


@pytest.fixture
def start() -> Iterator[Start]:
    owners: list[Owner] = []

    def started(*args: object) -> Owner:
        owners.append(Owner(*args))  # type: ignore[arg-type]
        return owners[-1]

    yield started
    for owner in owners:
        owner.kill()
