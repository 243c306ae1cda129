"""What only shows between two writers, in aliases with a past, and where a command would fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.names import VectorRef
from steersman_vectors.registry import changes, layout, transaction
from steersman_vectors.registry.entry import Retirement
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from .samples import FP_A, FP_B, upload, vector

WHO: Any = {"fingerprint": FP_A, "actor": "x"}
PAIRS = upload(b"pairs", "pairs.jsonl")
UPLOADS = {"extract.pairs": PAIRS}
FIELD = f"{FP_A}/calm/prod"


@pytest.fixture
async def store(registry_url: str) -> AsyncIterator[RegistryStore]:
    """Three versions of `calm`; `prod` named 1, then 2, then 3."""
    async with RegistryStore(registry_url) as opened:
        for seed in range(3):
            await opened.publish(vector(seed), name="calm", **WHO)
            await opened.promote("calm", seed + 1, "prod", **WHO)
        yield opened


@pytest.fixture
def client(registry_url: str) -> Any:
    with redis.Redis.from_url(registry_url) as opened:
        yield opened


async def test_nothing_to_change_counts_only_if_nobody_wrote_meanwhile(
    store: RegistryStore, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One finds the alias where it wants it; before that is said, another moves it away."""
    point, moved = changes.point, []

    def overtaken(field: str, before: tuple[int, ...], version: int) -> Any:
        change = point(field, before, version)
        if change is None and not moved:
            moved.append(version)
            with redis.Redis.from_url(registry_url) as other:
                other.hset(layout.ALIASES, field, "1 3 2 1")
                other.xadd(layout.LOG, logged(), id="7-0")
                other.set(layout.REV, 7)
        return change

    monkeypatch.setattr(changes, "point", overtaken)
    move = await store.promote("calm", 3, "prod", **WHO)
    assert moved == [3]
    assert (move.version, move.before, move.changed) == (3, 1, True)
    found = (await store.snapshot()).find(VectorRef("calm", alias="prod"), FP_A)
    assert (found.version, await store.revision()) == (3, 8)


async def test_nothing_to_change_is_not_said_of_a_registry_that_was_wiped_meanwhile(
    store: RegistryStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log does not show that: it is behind the revision, not ahead of it."""
    point = changes.point

    def wiped(*args: Any) -> Any:
        client.flushall()
        return point(*args)

    monkeypatch.setattr(changes, "point", wiped)
    with pytest.raises(CallerError) as caught:
        await store.promote("calm", 3, "prod", **WHO)
    assert caught.value.code == "vector_not_found"
    assert client.keys("*") == []


def logged() -> dict[Any, Any]:
    at = datetime.now(UTC).isoformat()
    return {
        "kind": "alias.set", "subject": FIELD, "actor": "other", "at": at, "before": "3 2 1",
        "after": "1 3 2 1",
    }  # fmt: skip


async def test_a_log_that_grew_without_its_revision_stops_the_change(
    store: RegistryStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXEC would go on after the refused log entry, and leave a change that nobody logged."""
    queue, before = transaction._queue, client.hgetall(layout.ALIASES)

    def overtaken(*args: Any) -> None:
        client.xadd(layout.LOG, logged(), id="9-0")
        queue(*args)

    monkeypatch.setattr(transaction, "_queue", overtaken)
    with pytest.raises(OperatorError) as caught:
        await store.promote("calm", 1, "prod", **WHO)
    assert caught.value.code == "registry_rolled_back"
    assert client.hgetall(layout.ALIASES) == before
    assert client.get(layout.REV) == b"6"


Write = Callable[[RegistryStore], Awaitable[object]]
CHANGES: dict[str, Write] = {
    "publish": lambda store: store.publish(vector(9), name="calm", **WHO),
    "publish with all": lambda store: store.publish(
        vector(9), name="calm", uploads=UPLOADS, alias="canary", **WHO
    ),
    "promote": lambda store: store.promote("calm", 1, "prod", **WHO),
    "promote anew": lambda store: store.promote("calm", 1, "canary", **WHO),
    "roll back": lambda store: store.roll_back("calm", "prod", **WHO),
    "retire": lambda store: store.retire("calm", 1, **WHO),
    "gc": lambda store: store.remove_blobs(["sha256:" + "0" * 64], actor="x"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "key",
    [
        layout.REV,
        layout.LOG,
        layout.VECTORS,
        layout.NEWEST,
        layout.ALIASES,
        layout.RETIRED,
        layout.ATTACHED,
        layout.data_key(PAIRS.attachment.digest),
    ],
)
async def test_a_change_that_meets_a_key_of_another_type_is_made_whole_or_not_at_all(
    store: RegistryStore, client: redis.Redis, change: str, key: str
) -> None:
    client.delete(key)
    client.set(key, "x") if key != layout.REV else client.rpush(key, "x")
    before = content(client)
    try:
        await CHANGES[change](store)
    except OperatorError:
        assert content(client) == before
    else:
        made = 9 if change == "publish with all" else 7
        assert int(client.get(layout.REV) or 0) == made
        assert client.xlen(layout.LOG) == made


def content(client: redis.Redis) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.keys("*")}


async def test_a_rollback_passes_over_what_was_retired(store: RegistryStore) -> None:
    await store.retire("calm", 2, **WHO)
    back = await store.roll_back("calm", "prod", **WHO)
    assert (back.version, back.before) == (1, 3)
    snapshot = await store.snapshot()
    assert snapshot.find(VectorRef("calm", alias="prod"), FP_A).version == 1
    assert snapshot.aliases[FP_A, "calm"]["prod"] == (1,)


def test_a_rollback_never_goes_to_where_the_alias_is() -> None:
    with pytest.raises(CallerError) as caught:
        changes.roll_back(FIELD, (3, 1, 3), usable=(3,))
    assert caught.value.code == "nothing_to_roll_back"
    assert changes.roll_back(FIELD, (3, 1, 3, 2), usable=(3, 2)).after == "2"


def test_an_alias_remembers_so_much_and_no_more() -> None:
    named: tuple[int, ...] = ()
    for version in range(1, 3 * layout.MAX_ALIAS_HISTORY):
        change = changes.point(FIELD, named, version)
        assert change is not None
        named = layout.decode_alias(FIELD.encode(), change.after.encode())[1]
        newest_first = tuple(range(version, 0, -1))
        assert named == newest_first[: layout.MAX_ALIAS_HISTORY + 1]


async def test_an_alias_of_another_model_does_not_keep_a_version(store: RegistryStore) -> None:
    await store.publish(vector(0), name="calm", fingerprint=FP_B, actor="x")
    await store.promote("calm", 1, "prod", fingerprint=FP_B, actor="x")
    assert (await store.retire("calm", 1, **WHO)).retired is not None
    with pytest.raises(CallerError) as caught:
        await store.retire("calm", 1, fingerprint=FP_B, actor="x")
    assert caught.value.code == "version_in_use"


async def test_a_retirement_of_nothing_changes_nothing(store: RegistryStore) -> None:
    known = await store.snapshot()
    retired = {(FP_A, "calm", 7): Retirement(datetime.now(UTC), "x", "")}
    again = known.updated(known.revision, (), {}, retired, known.history)
    assert again == known
    of_nobody = {(FP_B, "calm", 1): Retirement(datetime.now(UTC), "x", "")}
    assert RegistrySnapshot.of(1, (), {}, of_nobody).versions == {}
