"""The registry on a real Valkey, against a dict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.formats import native
from steersman_vectors.names import VectorRef
from steersman_vectors.registry import layout
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from .samples import FP_A, FP_B, vector


@pytest.fixture
async def store(registry_url: str) -> AsyncIterator[RegistryStore]:
    async with RegistryStore(registry_url) as opened:
        yield opened


NAMES = st.sampled_from(["calm", "warm"])
FINGERPRINTS = st.sampled_from([FP_A, FP_B])
OPERATIONS = st.lists(
    st.tuples(st.just("publish"), FINGERPRINTS, NAMES, st.integers(0, 2))
    | st.tuples(st.just("alias"), FINGERPRINTS, NAMES, st.integers(1, 3)),
    max_size=10,
)


@given(operations=OPERATIONS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_does_what_a_dict_does(valkey: Any, operations: list[tuple[str, str, str, int]]) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    asyncio.run(_compare_with_dict(valkey.url, operations))


async def _compare_with_dict(url: str, operations: list[tuple[str, str, str, int]]) -> None:
    model: dict[tuple[str, str], list[int]] = {}
    aliases: dict[tuple[str, str], int] = {}
    revision = 0
    async with RegistryStore(url) as store:
        for kind, fingerprint, name, number in operations:
            seeds = model.setdefault((fingerprint, name), [])
            if kind == "publish":
                done = await store.publish(
                    vector(number), name=name, fingerprint=fingerprint, actor="test"
                )
                created = seeds[-1:] != [number]
                seeds += [number] * created
                assert (done.version, done.created) == (len(seeds), created)
                revision += created
            elif number <= len(seeds):
                changed = await store.set_alias(
                    name, "prod", number, fingerprint=fingerprint, actor="test"
                )
                assert changed == (aliases.get((fingerprint, name)) != number)
                aliases[fingerprint, name] = number
                revision += changed
            else:
                with pytest.raises(CallerError):
                    await store.set_alias(
                        name, "prod", number, fingerprint=fingerprint, actor="test"
                    )
            assert await store.revision() == revision
        await _check_snapshot(store, model, aliases, revision)


async def _check_snapshot(
    store: RegistryStore,
    model: dict[tuple[str, str], list[int]],
    aliases: dict[tuple[str, str], int],
    revision: int,
) -> None:
    snapshot = await store.snapshot()
    assert snapshot.revision == revision
    assert len(snapshot.entries()) == sum(map(len, model.values()))
    for (fingerprint, name), seeds in model.items():
        for version, seed in enumerate(seeds, start=1):
            entry = snapshot.find(VectorRef(name, version=version), fingerprint)
            stored = native.loads(await store.blob(entry.digest))
            assert stored.card == entry.card
            assert (stored.card.name, stored.card.fingerprint) == (name, fingerprint)
            assert stored.delta(1, 1.0).tolist() == vector(seed).delta(1, 1.0).tolist()
        if seeds:
            assert snapshot.find(VectorRef(name), fingerprint).version == len(seeds)
    for (fingerprint, name), version in aliases.items():
        assert snapshot.find(VectorRef(name, alias="prod"), fingerprint).version == version


async def test_every_change_is_in_the_log_under_its_revision(
    store: RegistryStore, registry_url: str
) -> None:
    await store.publish(vector(0), name="calm", fingerprint=FP_A, actor="ann")
    await store.publish(vector(1), name="calm", fingerprint=FP_A, actor="bob")
    await store.set_alias("calm", "prod", 1, fingerprint=FP_A, actor="eve")
    with redis.Redis.from_url(registry_url, decode_responses=True) as client:
        log: Any = client.xrange(layout.LOG)
    assert [entry_id for entry_id, _ in log] == ["1-0", "2-0", "3-0"]
    assert [fields["actor"] for _, fields in log] == ["ann", "bob", "eve"]
    assert log[1][1]["before"] == log[0][1]["after"]
    assert log[2][1]["kind"] == "alias.set"


async def test_many_writers_get_one_version_each(registry_url: str) -> None:
    async def publish(seed: int) -> int:
        async with RegistryStore(registry_url) as store:
            done = await store.publish(vector(seed), name="calm", fingerprint=FP_A, actor="x")
            return done.version

    versions = await asyncio.gather(*(publish(seed) for seed in range(16)))
    assert sorted(versions) == list(range(1, 17))
    async with RegistryStore(registry_url) as store:
        assert await store.revision() == 16


async def test_a_vector_of_another_model_is_refused_naming_both(store: RegistryStore) -> None:
    with pytest.raises(CallerError) as caught:
        await store.publish(vector(fingerprint=FP_B), name="v", fingerprint=FP_A, actor="x")
    assert caught.value.code == "vector_model_mismatch"
    assert FP_A in caught.value.message
    assert FP_B in caught.value.message
    assert await store.revision() == 0


async def test_a_damaged_or_lost_blob_is_never_handed_out(
    store: RegistryStore, registry_url: str
) -> None:
    done = await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
    with redis.Redis.from_url(registry_url) as client:
        client.setrange(layout.blob_key(done.digest), 300, b"\x00\x01\x02")
        with pytest.raises(OperatorError, match="content of sha256:"):
            await store.blob(done.digest)
        client.delete(layout.blob_key(done.digest))
    with pytest.raises(OperatorError, match="no such blob"):
        await store.blob(done.digest)
    again = await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
    assert not again.created
    assert native.digest(await store.blob(done.digest)) == done.digest


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        (layout.VECTORS, "x", "{}"),
        (layout.VECTORS, f"{FP_A}/v/1", "{"),
        (layout.VECTORS, f"{FP_A}/v/1", "[]"),
        (layout.VECTORS, f"{FP_A}/v/one", "{}"),
        (layout.VECTORS, b"\xff", b"\xff"),
        (layout.ALIASES, "x", "1"),
        (layout.ALIASES, f"{FP_A}/v/prod", "one"),
    ],
)
async def test_foreign_content_is_named(
    store: RegistryStore, registry_url: str, key: str, field: Any, value: Any
) -> None:
    with redis.Redis.from_url(registry_url) as client:
        client.hset(key, field, value)
    with pytest.raises(OperatorError) as caught:
        await store.snapshot()
    assert caught.value.code == "registry_corrupt"
    assert key in caught.value.message


async def test_waiting_ends_with_the_change_or_with_the_time(store: RegistryStore) -> None:
    started_s = time.monotonic()
    assert await store.wait_for_change(0, 0.2) == 0
    assert 0.2 <= time.monotonic() - started_s < 5.0
    waiting = asyncio.create_task(store.wait_for_change(0, 60.0))
    await asyncio.sleep(0.1)
    await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
    assert await asyncio.wait_for(waiting, 30.0) == 1
    assert await store.wait_for_change(0, 60.0) == 1


async def test_a_registry_that_lost_its_changes_shows_a_lower_revision(
    store: RegistryStore, registry_url: str
) -> None:
    await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
    with redis.Redis.from_url(registry_url) as client:
        client.flushall()
    assert await store.wait_for_change(1, 0.1) == 0


async def test_a_change_that_the_log_refuses_leaves_nothing_behind(
    store: RegistryStore, registry_url: str
) -> None:
    await store.publish(vector(0), name="v", fingerprint=FP_A, actor="x")
    with redis.Redis.from_url(registry_url) as client:
        client.delete(layout.REV)
        with pytest.raises(OperatorError):
            await store.publish(vector(1), name="v", fingerprint=FP_A, actor="x")
        assert client.hlen(layout.VECTORS) == 1
        assert client.exists(layout.REV) == 0


async def test_a_registry_that_is_not_there_is_an_operator_error() -> None:
    for url in ("unix:///none/valkey.sock", "redis://127.0.0.1:1", "redis://:secret@127.0.0.1:1"):
        async with RegistryStore(url) as store:
            for call in (store.revision(), store.snapshot(), store.blob(FP_A)):
                started_s = time.monotonic()
                with pytest.raises(OperatorError) as caught:
                    await call
                assert caught.value.code == "registry_unavailable"
                assert "secret" not in caught.value.message
                assert time.monotonic() - started_s < 5.0
    with pytest.raises(OperatorError):
        RegistryStore("http://nowhere")


async def test_a_registry_that_hangs_is_an_operator_error_in_time() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with RegistryStore(f"redis://127.0.0.1:{port}") as store:
        started_s = time.monotonic()
        with pytest.raises(OperatorError):
            await store.revision()
        assert time.monotonic() - started_s < 5.0
    server.close()


async def test_aliases_of_digits_are_refused(store: RegistryStore) -> None:
    with pytest.raises(CallerError, match="expected a letter"):
        await store.set_alias("v", "12", 1, fingerprint=FP_A, actor="x")


@pytest.fixture
async def snapshot(store: RegistryStore) -> RegistrySnapshot:
    for name, fingerprint, seed in [
        ("empathy", FP_A, 0),
        ("empathy", FP_A, 1),
        ("formal", FP_A, 0),
        ("only-b", FP_B, 0),
    ]:
        await store.publish(vector(seed), name=name, fingerprint=fingerprint, actor="x")
    await store.set_alias("empathy", "prod", 1, fingerprint=FP_A, actor="x")
    return await store.snapshot()


@pytest.mark.parametrize(
    ("ref", "code", "words"),
    [
        (VectorRef("empaty"), "vector_not_found", "vectors: empathy, formal"),
        (VectorRef("empathy", version=7), "vector_not_found", "empathy@2, empathy@1"),
        (VectorRef("empathy", alias="canary"), "vector_not_found", "empathy@prod, empathy@2"),
        (VectorRef("only-b"), "vector_model_mismatch", f"{FP_B}, this is {FP_A}"),
        (VectorRef("only-b", version=1), "vector_model_mismatch", FP_B),
    ],
)
def test_a_reference_that_finds_nothing_says_what_there_is(
    snapshot: RegistrySnapshot, ref: VectorRef, code: str, words: str
) -> None:
    with pytest.raises(CallerError) as caught:
        snapshot.find(ref, FP_A)
    assert (caught.value.code, caught.value.http_status) == (code, 400)
    assert words in caught.value.message


def test_available_is_the_newest_of_each_name(snapshot: RegistrySnapshot) -> None:
    assert [str(entry) for entry in snapshot.available(FP_A)] == ["empathy@2", "formal@1"]
    assert snapshot.available("sha256:" + "c" * 64) == ()
    assert snapshot.find(VectorRef("empathy", alias="prod"), FP_A).version == 1


def test_long_listings_are_cut(snapshot: RegistrySnapshot) -> None:
    entry = snapshot.available(FP_A)[0]
    many = [
        type(entry)(f"n{i:03}", 1, entry.digest, FP_A, entry.card, entry.created_at, "x")
        for i in range(100)
    ]
    with pytest.raises(CallerError, match="and 92 more"):
        RegistrySnapshot.of(1, many).find(VectorRef("zzz"), FP_A)


def test_reading_a_snapshot_changes_nothing(snapshot: RegistrySnapshot) -> None:
    with suppress(CallerError):
        snapshot.find(VectorRef("x"), FP_A)
    assert snapshot == RegistrySnapshot.of(
        snapshot.revision,
        snapshot.entries(),
        {(f, n, a): v for (f, n), found in snapshot.aliases.items() for a, v in found.items()},
    )
