"""That a server does not follow the registry is told by the commands that change it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steersman_server.processes import ProcessBoard, ProcessReport
from tests.redis_server import redis_server
from tests.unit.vectors.commands import Run

from .conftest import Answer

Post = Callable[..., None]
SAID = "does not follow this registry"


@pytest.fixture
def post(data_dir: Path) -> Iterator[Post]:
    """Reports as a server on the data directory does."""
    folder = data_dir / "processes"

    def report(revision: int, error: str | None = None) -> None:
        ProcessBoard(folder, 1).post(ProcessReport(os.getpid(), revision, None, error))

    yield report
    for path in folder.glob("*"):
        path.unlink()


@pytest.mark.parametrize(
    ("revision", "error", "told"),
    [
        (25, None, True),
        (0, "registry_rolled_back", True),
        (0, "registry_corrupt", True),
        (0, None, False),
        (0, "registry_unavailable", False),
    ],
)
def test_changes_tell(run: Run, post: Post, revision: int, error: str | None, told: bool) -> None:
    post(revision, error)
    for change in ("tenants create acme", "flags set steering off", "keys create --tenant acme"):
        done = run(*change.split())
        assert (done.returncode, SAID in done.stderr) == (0, told)
    if told:
        assert "registry-copy and start it again" in run("flags", "set", "steering", "on").stderr
    assert SAID not in run("flags", "list").stderr


def test_a_switch_that_stays_on_is_no_success(answer: Answer, post: Post) -> None:
    post(25)
    on = answer("kill-switch", "on")
    assert (on["complete"], SAID in on["warnings"][0]) == (True, True)
    off = answer("kill-switch", "off", code=4)
    assert (off["complete"], SAID in off["failed"][0]) == (False, True)
    assert not any("follow within a second" in line for line in on["done"] + off["done"])
    post(0)
    assert answer("kill-switch", "off")["complete"]


def test_that_a_redis_has_no_history_is_told(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEERSMAN_DATA_DIR")
    with redis_server(tmp_path / "redis") as server:
        url = ("--redis-url", server.url)
        for _ in range(2):
            (warning,) = answer("kill-switch", "on", *url)["warnings"]
            assert "kill-switch on --local" in warning
        answer("tenants", "create", "acme", *url)
        assert answer("kill-switch", "on", *url)["warnings"] == []
