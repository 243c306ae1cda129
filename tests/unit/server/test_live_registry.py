"""The registry as a server sees it, on a real Redis that freezes, dies, is wiped and comes back."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest
import redis as redis_client

from steersman_server import live_registry
from steersman_server.live_registry import LiveRegistry
from steersman_vectors.errors import OperatorError
from steersman_vectors.registry import layout, reader
from steersman_vectors.registry.embedded import open_registry
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import RedisServer, redis_server
from tests.unit.vectors.samples import FP_A, vector

WAIT_S = 30.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_registry, "POLL_S", 0.3)
    monkeypatch.setattr(live_registry, "RETRY_S", 0.05)
    monkeypatch.setattr(live_registry, "GRACE_S", 0.1)
    monkeypatch.setattr(live_registry, "SAVE_EVERY_S", 0.05)


@pytest.fixture
def local(tmp_path: Path) -> LocalCopy:
    return LocalCopy(tmp_path / "copy")


async def publish(redis: RedisServer | str, seed: int, name: str = "calm") -> int:
    async with RegistryStore(redis if isinstance(redis, str) else redis.url) as store:
        done = await store.publish(vector(seed), name=name, fingerprint=FP_A, actor="x")
        return done.version


def answers(url: str) -> bool:
    with suppress(redis_client.RedisError), redis_client.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


@asynccontextmanager
async def following(
    url: str, local: LocalCopy, prepare: Callable | None = None
) -> AsyncIterator[LiveRegistry]:
    async def nothing(snapshot: RegistrySnapshot) -> None:
        pass

    # Only who follows is in a hurry: those who publish wait for a busy machine.
    with patch.object(reader, "BULK_TIMEOUT_S", 0.5):
        live = await LiveRegistry.open(url, local)
    task = asyncio.create_task(live.follow(prepare or nothing))
    try:
        yield live
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await live.reader.aclose()


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_change_is_prepared_before_requests_see_it(
    redis: RedisServer, local: LocalCopy
) -> None:
    prepared = []

    async def prepare(snapshot: RegistrySnapshot) -> None:
        prepared.append((snapshot.revision, live.snapshot.revision))

    async with following(redis.url, local, prepare) as live:
        await publish(redis, 0)
        await until(lambda: live.snapshot.revision == 1)
        await publish(redis, 1)
        await until(lambda: live.snapshot.revision == 2)
        assert prepared == [(1, 0), (2, 1)]
        assert (live.error, live.stale) == (None, False)
        await until(lambda: (kept := local.load()) is not None and kept == live.snapshot)


async def test_a_preparation_that_hangs_or_fails_holds_no_change_back(
    redis: RedisServer, local: LocalCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_registry, "PREPARE_S", 0.1)

    async def hang(snapshot: RegistrySnapshot) -> None:
        await asyncio.sleep(3600)

    async with following(redis.url, local, hang) as live:
        await publish(redis, 0)
        await until(lambda: live.snapshot.revision == 1)


@pytest.mark.parametrize("fate", ["frozen", "killed"])
async def test_it_serves_on_and_catches_up_when_redis_is_back(
    redis: RedisServer, local: LocalCopy, fate: str
) -> None:
    await publish(redis, 0)
    async with following(redis.url, local) as live:
        if fate == "frozen":
            redis.freeze()
        else:
            redis.kill()
        await until(lambda: live.error is not None)
        assert (live.snapshot.revision, live.error, live.stale) == (1, "registry_unavailable", True)
        if fate == "frozen":
            redis.thaw()
        else:
            redis.start()
        await publish(redis, 1)
        await until(lambda: live.snapshot.revision == 2 and not live.stale)


async def test_it_recovers_when_its_private_valkey_was_shut_down(
    tmp_path: Path, local: LocalCopy
) -> None:
    with open_registry(tmp_path / "data") as registry:
        await publish(registry.url, 0)
        async with following(registry.url, local) as live:
            with redis_client.Redis.from_url(registry.url) as client:
                client.shutdown(nosave=True)
            assert live.snapshot.revision == 1
            await until(lambda: answers(registry.url))
            await publish(registry.url, 1)
            await until(lambda: live.snapshot.revision == 2 and not live.stale)


async def test_a_start_while_redis_is_down_takes_the_copy_and_says_so(
    redis: RedisServer, local: LocalCopy
) -> None:
    await publish(redis, 0)
    async with following(redis.url, local) as live:
        known = live.snapshot
    redis.kill()
    async with following(redis.url, local) as live:
        assert (live.snapshot, live.age_s, live.stale) == (known, None, True)
        assert live.error == "registry_unavailable"
        redis.start()
        await until(lambda: not live.stale)
        await publish(redis, 1)
        await until(lambda: live.snapshot.revision == 2)


async def test_a_first_start_without_redis_is_an_error(
    redis: RedisServer, local: LocalCopy
) -> None:
    redis.kill()
    with pytest.raises(OperatorError) as caught:
        await LiveRegistry.open(redis.url, local)
    assert caught.value.code == "registry_unavailable"


@pytest.mark.parametrize("then", ["wiped", "rebuilt", "restored"])
async def test_a_registry_that_lost_changes_is_not_believed(
    redis: RedisServer, local: LocalCopy, tmp_path: Path, then: str
) -> None:
    await publish(redis, 0)
    shutil.copytree(redis.folder, tmp_path / "backup")
    await publish(redis, 1)
    async with following(redis.url, local) as live:
        known = live.snapshot
        if then == "restored":
            redis.kill()
            shutil.rmtree(redis.folder)
            shutil.copytree(tmp_path / "backup", redis.folder)
            redis.start()
        else:
            redis.wipe()
        if then != "wiped":  # another history, further on
            for seed in range(5, 9):
                await publish(redis, seed)
        await until(lambda: live.error == "registry_rolled_back")
        assert (live.snapshot, live.stale) == (known, True)
        await publish(redis, 9)
        await asyncio.sleep(0.5)
        assert (live.snapshot, live.error) == (known, "registry_rolled_back")
    async with following(redis.url, local) as live:  # nor by a restart
        assert (live.snapshot, live.error) == (known, "registry_rolled_back")
    shutil.rmtree(local.folder)
    async with following(redis.url, local) as live:  # the operator removed the copy
        assert live.snapshot.revision != known.revision
        assert not live.stale


DAMAGES: dict[str, Callable[[redis_client.Redis], object]] = {
    "rev a list": lambda c: (c.delete(layout.REV), c.rpush(layout.REV, "x")),
    "rev no number": lambda c: c.set(layout.REV, "\uff11"),
    "rev too large": lambda c: c.set(layout.REV, "9" * 5000),
    "log a string": lambda c: (c.delete(layout.LOG), c.set(layout.LOG, "x")),
    "log of somebody else": lambda c: (c.xadd(layout.LOG, {"x": b"\xff"}, id="2-0"),
                                       c.set(layout.REV, 2)),
    "id a hash": lambda c: (c.delete(layout.ID), c.hset(layout.ID, "x", "y"), c.incr(layout.REV)),
    "id no text": lambda c: (c.set(layout.ID, b"\xff"), c.incr(layout.REV)),
    "vectors a string": lambda c: (c.delete(layout.VECTORS), c.set(layout.VECTORS, "x"),
                                   logged(c, "vector.publish", f"{FP_A}/calm/2")),
    "an entry that is not there": lambda c: logged(c, "vector.publish", f"{FP_A}/calm/2"),
    "an entry that is a list": lambda c: (c.hset(layout.VECTORS, f"{FP_A}/calm/2", "[]"),
                                          logged(c, "vector.publish", f"{FP_A}/calm/2")),
    "an alias of nobody": lambda c: logged(c, "alias.set", "\x1b"),
    "a retirement of nothing": lambda c: logged(c, "vector.retire", f"{FP_A}/calm/1"),
}  # fmt: skip


def logged(client: redis_client.Redis, kind: str, subject: str) -> None:
    """Writes a change of which only the log is as Steersman writes it."""
    at = datetime.now(UTC).isoformat()
    entry = {"kind": kind, "subject": subject, "actor": "x", "at": at, "before": "", "after": "["}
    client.xadd(layout.LOG, entry, id="2-0")
    client.incr(layout.REV)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_registry_leaves_the_last_good_snapshot(
    redis: RedisServer, local: LocalCopy, damage: str
) -> None:
    await publish(redis, 0)
    async with following(redis.url, local) as live:
        known = live.snapshot
        with redis_client.Redis.from_url(redis.url) as client:
            DAMAGES[damage](client)
        await until(lambda: live.error is not None)
        assert live.error in ("registry_corrupt", "registry_unavailable", "registry_rolled_back")
        assert (live.snapshot, live.stale) == (known, True)
    async with following(redis.url, local) as live:  # and so does a start
        assert (live.snapshot, live.stale) == (known, True)


async def test_a_fault_of_ours_is_shown_until_the_registry_is_heard_again(
    redis: RedisServer, local: LocalCopy
) -> None:
    faults = [RuntimeError("a fault of ours")]

    async def prepare(snapshot: RegistrySnapshot) -> None:
        if faults:
            raise faults[0]

    async with following(redis.url, local, prepare) as live:
        await publish(redis, 0)
        await until(lambda: live.error == "internal_error")
        faults.clear()
        await until(lambda: live.snapshot.revision == 1 and live.error is None)


async def test_a_damaged_copy_is_no_copy(redis: RedisServer, local: LocalCopy) -> None:
    await publish(redis, 0)
    async with following(redis.url, local):
        pass
    path = local.folder / "snapshot"
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:40], b"", whole.replace(b"calm", b"warm", 1), b"{}\n"):
        path.write_bytes(damaged)
        assert local.load() is None
    path.write_bytes(whole)
    assert local.load() is not None
