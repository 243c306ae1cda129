"""The registry on a real Valkey, against a dict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.formats import native
from steersman_vectors.names import VectorRef
from steersman_vectors.registry import layout
from steersman_vectors.registry.attached import Attachment
from steersman_vectors.registry.entry import Retirement, VectorEntry
from steersman_vectors.registry.reader import RegistryReader
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import Expected, RegistryStore
from steersman_vectors.registry.upkeep import garbage, verify
from steersman_vectors.vector import SteeringVector

from .samples import FP_A, FP_B, vector


@pytest.fixture
async def store(registry_url: str) -> AsyncIterator[RegistryStore]:
    async with RegistryStore(registry_url) as opened:
        yield opened


NAMES = st.sampled_from(["calm", "warm"])
FINGERPRINTS = st.sampled_from([FP_A, FP_B])
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "publish", "promote", "promote", "roll back", "retire"]),
        FINGERPRINTS,
        NAMES,
        st.integers(0, 3),
    ),
    max_size=16,
)


class Model:
    """What the registry promises, as plain lists: the oracle."""

    def __init__(self) -> None:
        self.seeds: dict[tuple[str, str], list[int]] = {}
        self.retired: set[tuple[str, str, int]] = set()
        self.prod: dict[tuple[str, str], list[int]] = {}
        self.revision = 0

    def usable(self, key: tuple[str, str], version: int) -> bool:
        return 1 <= version <= len(self.seeds.get(key, [])) and (*key, version) not in self.retired

    def apply(self, kind: str, key: tuple[str, str], number: int) -> str | None:
        """Changes the model as the registry should; returns the code of a refusal."""
        seeds, prod = self.seeds.setdefault(key, []), self.prod.setdefault(key, [])
        before = (list(seeds), set(self.retired), list(prod))
        if kind == "publish":
            if seeds[-1:] != [number] or not self.usable(key, len(seeds)):
                seeds.append(number)
        elif kind == "promote":
            if not self.usable(key, number):
                known = 1 <= number <= len(seeds)
                return "vector_retired" if known else "vector_not_found"
            if prod[:1] != [number]:
                prod.insert(0, number)
        elif kind == "roll back":
            found = [k for k, v in enumerate(prod) if k and v != prod[0] and self.usable(key, v)]
            if not found:
                return "nothing_to_roll_back"
            del prod[: found[0]]
        elif kind == "retire":
            if not 1 <= number <= len(seeds):
                return "vector_not_found"
            if prod[:1] == [number] and (*key, number) not in self.retired:
                return "version_in_use"
            self.retired.add((*key, number))
        self.revision += (seeds, self.retired, prod) != before
        return None


@given(operations=OPERATIONS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_does_what_lists_do(valkey: Any, operations: list[tuple[str, str, str, int]]) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    asyncio.run(_compare_with_lists(valkey.url, operations))


async def _compare_with_lists(url: str, operations: list[tuple[str, str, str, int]]) -> None:
    model = Model()
    async with RegistryStore(url) as store:
        followed = await store.snapshot()
        for kind, fingerprint, name, number in operations:
            who: Any = {"fingerprint": fingerprint, "actor": "test"}
            code = model.apply(kind, (fingerprint, name), number)
            changing = {
                "publish": partial(store.publish, vector(number), name=name, **who),
                "promote": partial(store.promote, name, number, "prod", **who),
                "roll back": partial(store.roll_back, name, "prod", **who),
                "retire": partial(store.retire, name, number, **who),
            }[kind]
            if code is None:
                await changing()
            else:
                with pytest.raises(CallerError) as caught:
                    await changing()
                # That the name exists for the other model is more than the lists can say.
                assert caught.value.code in (code, "vector_model_mismatch")
            assert await store.revision() == model.revision
            if number != 2:  # and now and then two changes at once
                followed = await store.catch_up(followed)
                assert followed == await store.snapshot()
        assert await store.catch_up(followed) == await store.snapshot()
        await _check_snapshot(store, model)


async def _check_snapshot(store: RegistryStore, model: Model) -> None:
    snapshot = await store.snapshot()
    assert snapshot.revision == model.revision
    assert len(snapshot.entries()) == sum(map(len, model.seeds.values()))
    assert await verify(store, snapshot) == ()
    for (fingerprint, name), seeds in model.seeds.items():
        key = (fingerprint, name)
        for version, seed in enumerate(seeds, start=1):
            entry = snapshot.find_any(VectorRef(name, version=version), fingerprint)
            assert (entry.retired is None) == model.usable(key, version)
            stored = native.loads(await store.blob(entry.digest))
            assert stored.card == entry.card
            assert (stored.card.name, stored.card.fingerprint) == (name, fingerprint)
            assert stored.delta(1, 1.0).tolist() == vector(seed).delta(1, 1.0).tolist()
        usable = [v for v in range(1, len(seeds) + 1) if model.usable(key, v)]
        if usable:
            assert snapshot.find(VectorRef(name), fingerprint).version == usable[-1]
        elif seeds:
            with pytest.raises(CallerError, match="retired by test"):
                snapshot.find(VectorRef(name), fingerprint)
        if model.prod[key]:
            found = snapshot.find(VectorRef(name, alias="prod"), fingerprint)
            assert found.version == model.prod[key][0]


async def test_every_change_is_in_the_log_under_its_revision(
    store: RegistryStore, registry_url: str
) -> None:
    await store.publish(vector(0), name="calm", fingerprint=FP_A, actor="ann")
    await store.publish(vector(1), name="calm", fingerprint=FP_A, actor="bob")
    await store.promote("calm", 1, "prod", fingerprint=FP_A, actor="eve")
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


async def test_of_two_who_promote_at_once_one_wins_and_the_other_is_told(
    registry_url: str,
) -> None:
    async with RegistryStore(registry_url) as store:
        for seed in range(3):
            await store.publish(vector(seed), name="calm", fingerprint=FP_A, actor="x")
        await store.promote("calm", 1, "prod", fingerprint=FP_A, actor="x")

    async def promote(version: int) -> str:
        async with RegistryStore(registry_url) as store:
            with suppress(CallerError):
                await store.promote(
                    "calm", version, "prod", fingerprint=FP_A, actor="x", expected=Expected(1)
                )
                return "won"
            with pytest.raises(CallerError, match="somebody else moved calm@prod") as caught:
                await store.promote(
                    "calm", version, "prod", fingerprint=FP_A, actor="x", expected=Expected(1)
                )
            return caught.value.code

    outcomes = await asyncio.gather(promote(2), promote(3), promote(2), promote(3))
    assert sorted(outcomes) == ["registry_conflict"] * 3 + ["won"]
    async with RegistryStore(registry_url) as store:
        assert await store.revision() == 5


async def test_an_alias_that_must_be_new(store: RegistryStore) -> None:
    await store.publish(vector(0), name="calm", fingerprint=FP_A, actor="x")
    move = await store.promote(
        "calm", 1, "prod", fingerprint=FP_A, actor="x", expected=Expected(None)
    )
    assert (move.before, move.version) == (None, 1)
    with pytest.raises(CallerError) as caught:
        await store.promote("calm", 1, "prod", fingerprint=FP_A, actor="x", expected=Expected(None))
    assert caught.value.code == "registry_conflict"


async def test_what_is_retired_long_enough_and_what_nobody_has_is_garbage(
    store: RegistryStore, registry_url: str
) -> None:
    kept = await store.publish(vector(0), name="v", fingerprint=FP_A, actor="x")
    gone = await store.publish(vector(1), name="v", fingerprint=FP_A, actor="x")
    await store.retire("v", gone.version, fingerprint=FP_A, actor="ann", reason="too warm")
    orphan = "sha256:" + "0" * 64
    with redis.Redis.from_url(registry_url) as client:
        client.set(layout.blob_key(orphan), b"left behind")
    snapshot, now = await store.snapshot(), datetime.now(UTC)
    young = await garbage(store, snapshot, now=now, keep_for=timedelta(days=1))
    assert [blob.digest for blob in young] == [orphan]
    later = now + timedelta(days=2)
    old = await garbage(store, snapshot, now=later, keep_for=timedelta(days=1))
    assert {blob.digest for blob in old} == {orphan, gone.digest}
    assert any("retired by ann" in blob.reason and "too warm" in blob.reason for blob in old)
    await store.remove_blobs([blob.digest for blob in old], actor="x")
    assert set(await store.blob_sizes()) == {kept.digest}
    assert await verify(store, await store.snapshot()) == ()
    with pytest.raises(CallerError, match="were to be removed"):
        await store.remove_blobs([kept.digest], actor="x")
    again = await store.publish(vector(1), name="v", fingerprint=FP_A, actor="x")
    assert (again.version, again.created, again.digest) == (3, True, gone.digest)
    assert native.digest(await store.blob(gone.digest)) == gone.digest


async def test_what_was_registered_long_ago_and_retired_just_now_is_kept() -> None:
    class Reader(RegistryReader):
        async def blob_sizes(self) -> dict[str, int]:
            return {entry.digest: 1}

        async def data_sizes(self) -> dict[str, int]:
            return {}

        async def all_attached(self) -> dict[str, dict[str, Attachment]]:
            return {}

    card, now = vector(0, name="v", fingerprint=FP_A).card, datetime(2026, 6, 1, tzinfo=UTC)
    long_ago, retired = now - timedelta(days=365), Retirement(now - timedelta(days=2), "ann", "")
    entry = VectorEntry("v", 1, "sha256:" + "0" * 64, FP_A, card, long_ago, "x", retired)
    reader, snapshot = Reader("redis://nowhere.invalid"), RegistrySnapshot.of(2, [entry])
    for days, found in ((3, []), (1, [entry.digest])):
        blobs = await garbage(reader, snapshot, now=now, keep_for=timedelta(days=days))
        assert [blob.digest for blob in blobs] == found


async def test_verify_names_what_is_wrong(store: RegistryStore, registry_url: str) -> None:
    a = await store.publish(vector(0), name="a", fingerprint=FP_A, actor="x")
    b = await store.publish(vector(1), name="b", fingerprint=FP_A, actor="x")
    await store.publish(vector(2), name="c", fingerprint=FP_A, actor="x")
    gone = await store.publish(vector(3), name="gone", fingerprint=FP_A, actor="x")
    rotten = await store.publish(vector(4), name="rotten", fingerprint=FP_A, actor="x")
    for name in ("gone", "rotten"):
        await store.retire(name, 1, fingerprint=FP_A, actor="x")
    with redis.Redis.from_url(registry_url) as client:
        client.setrange(layout.blob_key(a.digest), 300, b"\x00\x01")
        client.delete(layout.blob_key(b.digest), layout.blob_key(gone.digest))
        client.setrange(layout.blob_key(rotten.digest), 300, b"\x00\x01")
        client.set(layout.blob_key("sha256:" + "0" * 64), b"not that")
        client.hset(layout.ALIASES, layout.alias_field(FP_A, "c", "prod"), "7")
        client.hset(layout.ALIASES, layout.alias_field(FP_A, "gone", "old"), "1")
        entry: Any = client.hget(layout.VECTORS, layout.version_field(FP_A, "c", 1))
        client.hset(layout.VECTORS, layout.version_field(FP_A, "other", 1), entry)
        other = entry.replace(b'"description":""', b'"description":"another"')
        client.hset(layout.VECTORS, layout.version_field(FP_A, "c", 1), other)
    calls: list[tuple[int, int]] = []
    problems = await verify(
        store, await store.snapshot(), progress=lambda *done: calls.append(done)
    )
    said = {problem.subject.split(" ")[0]: problem.message for problem in problems}
    assert sorted(said) == [
        "a@1", "b@1", "blob", "c@1", "c@prod", "gone@old", "other@1", "rotten@1"
    ]  # fmt: skip
    assert "content of" in said["a@1"]
    assert "no such blob" in said["b@1"]
    assert "version 7" in said["c@prod"]
    assert "retired by x" in said["gone@old"]
    assert "content of" in said["rotten@1"]
    assert "the card in its bytes is another" in said["c@1"]
    assert "that of 'c'" in said["other@1"]
    assert calls[-1] == (6, 6)


@pytest.mark.parametrize("field", [{"recipe": {"x": float("nan")}}, {"description": "\ud800"}])
async def test_what_could_not_be_read_again_is_not_registered(
    store: RegistryStore, field: dict[str, Any]
) -> None:
    made = vector()
    card = made.card.model_copy(update=field)
    with pytest.raises(CallerError) as caught:
        await store.publish(
            SteeringVector(card, made.directions), name="v", fingerprint=FP_A, actor="x"
        )
    assert caught.value.code == "invalid_vector"
    assert await store.revision() == 0


async def test_a_rollback_that_somebody_else_was_faster_with_is_refused(
    store: RegistryStore,
) -> None:
    for seed in range(3):
        await store.publish(vector(seed), name="calm", fingerprint=FP_A, actor="x")
        await store.promote("calm", seed + 1, "prod", fingerprint=FP_A, actor="x")
    who: Any = {"fingerprint": FP_A, "actor": "x", "expected": Expected(3)}
    assert (await store.roll_back("calm", "prod", **who)).version == 2
    with pytest.raises(CallerError) as caught:
        await store.roll_back("calm", "prod", **who)
    assert caught.value.code == "registry_conflict"
    found = (await store.snapshot()).find(VectorRef("calm", alias="prod"), FP_A)
    assert found.version == 2


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
        for damage in ("lost", "damaged"):  # the same bytes put it back
            if damage == "damaged":
                client.setrange(layout.blob_key(done.digest), 300, b"\x00\x01\x02")
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
        await store.promote("v", 1, "12", fingerprint=FP_A, actor="x")


@pytest.fixture
async def snapshot(store: RegistryStore) -> RegistrySnapshot:
    for name, fingerprint, seed in [
        ("empathy", FP_A, 0),
        ("empathy", FP_A, 1),
        ("formal", FP_A, 0),
        ("only-b", FP_B, 0),
    ]:
        await store.publish(vector(seed), name=name, fingerprint=fingerprint, actor="x")
    await store.promote("empathy", 1, "prod", fingerprint=FP_A, actor="x")
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
        history=snapshot.history,
    )
