"""The kill switch where the registry does not answer, or is not the one that servers follow."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import redis

from steersman_server.configuration import Configuration, Switch
from steersman_server.control.kill_switch import look_at, switch_off, switch_on
from steersman_server.kill_file import KillFile
from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import redis_server
from tests.unit.vectors.samples import FP_A, vector

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def file(tmp_path: Path) -> KillFile:
    kill_file = KillFile(tmp_path)
    kill_file.set("incident")
    return kill_file


async def test_a_switch_that_was_on_when_last_heard_is_no_success(file: KillFile) -> None:
    known = Configuration(kill_switch=Switch(reason="incident"))
    async with RegistryStore(NOWHERE) as store:
        with pytest.raises(OperatorError) as refused:
            await switch_on(store, file, known, actor="ann")
    assert refused.value.code == "registry_unavailable"


async def test_one_that_was_off_is_a_warning(file: KillFile) -> None:
    async with RegistryStore(NOWHERE) as store:
        pulled = await switch_on(store, file, Configuration(), actor="ann")
    assert (pulled.revision, pulled.by_file, file.reason()) == (None, True, None)
    assert "was off when it was last heard" in pulled.warnings[0]


async def test_a_registry_that_was_wiped_is_not_relied_on(tmp_path):
    with redis_server(tmp_path / "redis") as server:
        async with RegistryStore(server.url) as writer:
            await writer.publish(vector(), name="v", fingerprint=FP_A, actor="x")
            held = await writer.snapshot()
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        file = KillFile(tmp_path)
        async with RegistryStore(server.url, known=lambda: held) as store:
            pulled = await switch_off(store, file, actor="ann", reason="smoke")
            shown = await look_at(store, file, Configuration())
    assert (pulled.by_file, file.reason()) == (True, "smoke")
    assert (shown.registry, shown.file) == (None, "smoke")
    assert "last heard" in shown.warnings[0]


def test_a_file_whose_reason_finds_no_room_is_there_all_the_same(tmp_path, monkeypatch):
    def full(path: Path, _: str) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    KillFile(tmp_path).set("incident")
    assert KillFile(tmp_path).reason() is not None


def test_one_that_cannot_be_made_is_an_error(tmp_path, monkeypatch):
    def full(_: Path, __: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        KillFile(tmp_path).set("incident")


def test_a_link_that_leads_nowhere_is_a_switch(tmp_path):
    (tmp_path / "kill-switch").symlink_to(tmp_path / "gone")
    assert KillFile(tmp_path).reason() is not None
    assert KillFile(tmp_path).clear()
