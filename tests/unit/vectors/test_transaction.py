"""A writer that dies at any moment leaves the registry as it was, or changed as a whole."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import redis
from redis.asyncio.connection import AbstractConnection

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry import layout, transaction
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.registry.upkeep import verify

from .samples import FP_A, vector

MOST_COMMANDS = 60


@pytest.mark.parametrize("kind", ["publish", "promote", "roll back", "retire", "gc"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_writer_killed_at_any_command_leaves_all_or_nothing(
    registry_url: str, kind: str, moment: str
) -> None:
    outcomes = set()
    for die_at in range(1, MOST_COMMANDS):
        with redis.Redis.from_url(registry_url) as client:
            client.flushall()
        run(prepare, registry_url)
        before = run(snapshot, registry_url)
        status = write_and_die(registry_url, kind, die_at, moment)
        after = run(check, registry_url)
        assert after.revision in (before.revision, before.revision + 1)
        if after.revision == before.revision:
            assert after == before
        outcomes.add(after.revision - before.revision)
        if status == 0:
            break
        assert status == signal.SIGKILL
    else:
        pytest.fail(f"the writer sends more than {MOST_COMMANDS} commands")
    assert outcomes == {0, 1}


def write_and_die(url: str, kind: str, die_at: int, moment: str) -> int:
    """Changes the registry in a child that dies at its k-th command; returns how it ended."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    try:
        kill_at(die_at, moment)
        run(partial(write, kind), url)
        os._exit(0)
    finally:
        os._exit(3)


def kill_at(die_at: int, moment: str) -> None:
    """Makes this process kill itself before or after it sends so many commands."""
    send, sent = AbstractConnection.send_packed_command, 0

    async def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal sent
        sent += 1
        if sent == die_at and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await send(self, *args, **kwargs)
        if sent == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    AbstractConnection.send_packed_command = counted  # type: ignore[method-assign]


async def write(kind: str, store: RegistryStore) -> None:
    """Makes one change of this kind."""
    actor = "the one who dies"
    match kind:
        case "publish":
            await store.publish(vector(9), name="calm", fingerprint=FP_A, actor=actor)
        case "promote":
            await store.promote("calm", 2, "prod", fingerprint=FP_A, actor=actor)
        case "roll back":
            await store.roll_back("calm", "canary", fingerprint=FP_A, actor=actor)
        case "retire":
            await store.retire("calm", 2, fingerprint=FP_A, actor=actor)
        case _:
            await store.remove_blobs(["sha256:" + "0" * 64], actor=actor)


async def prepare(store: RegistryStore) -> None:
    for seed in range(3):
        await store.publish(vector(seed), name="calm", fingerprint=FP_A, actor="x")
    for version in (1, 3):
        await store.promote("calm", version, "canary", fingerprint=FP_A, actor="x")


async def snapshot(store: RegistryStore) -> RegistrySnapshot:
    found = await store.snapshot()
    # The history is another after every preparation.
    return RegistrySnapshot(found.revision, found.versions, found.aliases)


async def check(store: RegistryStore) -> RegistrySnapshot:
    """Returns the snapshot of a registry in which everything agrees with everything."""
    found = await store.snapshot()
    log = await store.log(limit=1000)
    assert [entry.revision for entry in log] == list(range(found.revision, 0, -1))
    assert await verify(store, found) == ()
    for (fingerprint, name), versions in found.versions.items():
        assert list(versions) == list(range(1, len(versions) + 1))
        newest = await store._bulk.hget(layout.NEWEST, layout.name_field(fingerprint, name))
        assert newest.decode() == layout.encode_newest(
            len(versions), versions[max(versions)].digest
        )
    return await snapshot(store)


def run(operation: Callable[[RegistryStore], Coroutine[Any, Any, Any]], url: str) -> Any:
    async def with_store() -> Any:
        async with RegistryStore(url) as store:
            return await operation(store)

    return asyncio.run(with_store())


async def test_a_writer_that_is_always_too_late_says_so(
    registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "ATTEMPTS", 3)
    execute = transaction._execute

    async def overtaken(pipe: Any) -> bool:
        with redis.Redis.from_url(registry_url) as client:
            client.set(layout.REV, client.get(layout.REV) or 0)
        return await execute(pipe)

    monkeypatch.setattr(transaction, "_execute", overtaken)
    async with RegistryStore(registry_url) as store:
        with pytest.raises(OperatorError) as caught:
            await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
    assert caught.value.code == "registry_busy"
    with redis.Redis.from_url(registry_url) as client:
        assert client.keys("*") == [layout.REV.encode()]


async def test_a_confirmation_that_is_lost_is_told_and_repeating_is_harmless(
    registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = transaction._execute

    async def done_but_not_heard(pipe: Any) -> bool:
        real = pipe.execute

        async def lost(*args: Any, **kwargs: Any) -> Any:
            await real(*args, **kwargs)
            raise redis.exceptions.TimeoutError("no answer")

        pipe.execute = lost
        return await execute(pipe)

    async with RegistryStore(registry_url) as store:
        with monkeypatch.context() as patched:
            patched.setattr(transaction, "_execute", done_but_not_heard)
            with pytest.raises(OperatorError, match="as a whole or not at all: see"):
                await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
        again = await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
        assert (again.version, again.created) == (1, False)
        assert await store.revision() == 1


async def test_a_log_that_grows_between_reading_and_writing_is_noticed(
    registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry restored beneath a writer may have the same revision and another log."""
    execute, tries = transaction._execute, 0

    async def log_changed(pipe: Any) -> bool:
        nonlocal tries
        tries += 1
        if tries == 1:
            with redis.Redis.from_url(registry_url) as client:
                client.xadd(layout.LOG, {"kind": "another"}, id="7-0")
        return await execute(pipe)

    monkeypatch.setattr(transaction, "_execute", log_changed)
    async with RegistryStore(registry_url) as store:
        with pytest.raises(OperatorError, match="its log goes to 7") as caught:
            await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
    assert (caught.value.code, tries) == ("registry_rolled_back", 1)
    with redis.Redis.from_url(registry_url) as client:
        assert client.keys("*") == [layout.LOG.encode()]
