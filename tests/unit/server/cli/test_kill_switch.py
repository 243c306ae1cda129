"""`steersman kill-switch`: what it did, what it could not, with Redis alive and dead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from steersman_server.kill_file import KillFile
from tests.redis_server import RedisServer, redis_server
from tests.unit.vectors.commands import Run

from .conftest import Answer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as started:
        yield started


def test_on_and_off_are_of_file_and_registry(run: Run, answer: Answer, data_dir: Path) -> None:
    assert answer("kill-switch", "status")["on"] is False
    done = run("kill-switch", "on", "--reason", "incident 42", "--actor", "ann")
    assert done.returncode == 0
    assert f"file {data_dir}/kill-switch: written" in done.stdout
    assert "switch on (revision 1)" in done.stdout
    assert KillFile(data_dir).reason() == "incident 42"
    status = answer("kill-switch", "status")
    assert [status[k] and status[k]["reason"] for k in ("file", "registry")] == ["incident 42"] * 2
    assert "ON, everybody is served unsteered: incident 42" in run("kill-switch", "status").stdout
    steps = {s["step"]: s for s in answer("explain", "hello")["steps"]}
    assert steps["kill switch"]["input"] == "incident 42"
    assert run("kill-switch", "off").returncode == 0
    assert answer("kill-switch", "status")["on"] is False
    again = answer("kill-switch", "off")
    assert "was not there" in again["done"][0]
    assert "it was so already" in again["done"][1]
    log = answer("audit", "--kind", "switch")["changes"]
    assert [(e["kind"], e["actor"]) for e in log][1] == ("switch.set", "ann")


def test_local_is_the_file_alone(answer: Answer, data_dir: Path) -> None:
    done = answer("kill-switch", "on", "--local")
    assert (len(done["done"]), done["complete"]) == (1, True)
    status = answer("kill-switch", "status")
    assert (status["on"], status["registry"]["on"]) == (True, False)
    assert answer("kill-switch", "on")["complete"]
    off = answer("kill-switch", "off", "--local")
    assert "registry's switch is left as it is" in off["warnings"][0]
    assert answer("kill-switch", "status")["on"] is True
    (data_dir / "kill-switch").unlink(missing_ok=True)


def test_that_no_server_runs_there_is_said(run: Run, data_dir: Path) -> None:
    assert f"no server runs on {data_dir}" in run("kill-switch", "on").stderr
    (data_dir / "processes").mkdir(exist_ok=True)
    report = data_dir / "processes" / f"1-{os.getpid()}.json"
    report.write_text("{}")
    assert run("kill-switch", "on").stderr == ""
    report.unlink()
    run("kill-switch", "off")


def test_without_a_registry_the_file_is_enough(answer: Answer, fresh_dir: Path) -> None:
    done = answer("kill-switch", "on")
    assert done["complete"]
    assert "there is none" in " ".join(done["warnings"])
    assert KillFile(fresh_dir).reason() is not None
    assert not (fresh_dir / "registry").exists()


def test_a_registry_that_does_not_answer_does_not_keep_the_file(
    run: Run, answer: Answer, fresh_dir: Path
) -> None:
    """The private registry's folder cannot be used: as with a Valkey that does not start."""
    answer("tenants", "create", "acme")
    (fresh_dir / "registry" / "appendonlydir").rename(fresh_dir / "gone")
    (fresh_dir / "registry" / "appendonlydir").write_text("not a folder")
    done = run("kill-switch", "on", "--reason", "all is lost")
    assert done.returncode == 0, done.stderr
    assert "written" in done.stdout
    assert "not switched" in done.stderr
    assert KillFile(fresh_dir).reason() == "all is lost"
    off = answer("kill-switch", "off", code=4)
    assert (off["complete"], len(off["failed"])) == (False, 1)
    assert KillFile(fresh_dir).reason() is None
    status = answer("kill-switch", "status", code=4)
    assert (status["on"], status["registry"]["on"]) == (None, None)


def test_a_redis_reaches_all_its_servers(
    run: Run, answer: Answer, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEERSMAN_DATA_DIR")
    url = ("--redis-url", server.url)
    on = answer("kill-switch", "on", *url)
    assert (len(on["done"]), on["complete"]) == (1, True)
    status = answer("kill-switch", "status", *url)
    assert (status["on"], status["file"]) == (True, None)
    off = answer("kill-switch", "off", *url)
    assert "files kill-switch in data directories" in off["warnings"][-1]
    both = answer("kill-switch", "on", *url, "--data-dir", tmp_path / "mine")
    assert len(both["done"]) == 2
    assert str(KillFile(tmp_path / "mine").reason()).startswith("by ")
    server.kill()
    dead = answer("kill-switch", "on", *url, "--data-dir", tmp_path / "other", code=4)
    assert (len(dead["done"]), len(dead["failed"])) == (1, 1)
    assert KillFile(tmp_path / "other").reason() is not None
    assert answer("kill-switch", "on", *url, code=4)["done"] == []
    assert answer("kill-switch", "status", *url, code=4)["on"] is None


def test_a_file_that_cannot_be_written_does_not_keep_the_registry(
    answer: Answer, server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    both = ("--redis-url", server.url, "--data-dir", tmp_path / "file" / "data")
    done = answer("kill-switch", "on", *both, code=4)
    assert "not written" in done["failed"][0]
    assert answer("kill-switch", "status", "--redis-url", server.url)["on"] is True


def test_nothing_done_is_no_success(answer: Answer, fresh_dir: Path) -> None:
    fresh_dir.write_text("in the way")
    done = answer("kill-switch", "on", code=4)
    assert (done["done"], len(done["failed"])) == ([], 1)
