"""Files beside versions on a real Valkey, against a dict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.registry import attached, layout
from steersman_vectors.registry.embedded import Embedded
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.registry.upkeep import garbage, verify

from .samples import FP_A, upload, vector

ROLES = st.sampled_from(["extract.pairs", "calibration.facts", "report"])
CONTENT = st.sampled_from([b"one", b"two", b"three", b""])
STEPS = st.lists(st.tuples(st.integers(0, 2), st.dictionaries(ROLES, CONTENT)), max_size=6)
WHO: Any = {"fingerprint": FP_A, "actor": "x"}


@pytest.fixture
async def store(registry_url: str) -> AsyncIterator[RegistryStore]:
    async with RegistryStore(registry_url) as opened:
        yield opened


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
async def test_the_store_is_a_dict_of_versions(steps: Any, valkey: Embedded) -> None:
    """Same bytes again add files to the version; other bytes are another version with its own."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    seeds: list[int] = []
    files: list[dict[str, bytes]] = []
    async with RegistryStore(valkey.url) as store:
        for seed, given_files in steps:
            before = await store.revision()
            uploads = {role: upload(data, role) for role, data in given_files.items()}
            done = await store.publish(vector(seed), name="v", uploads=uploads, **WHO)
            created = seeds[-1:] != [seed]
            if created:
                seeds.append(seed)
                files.append({})
            changed = {**files[-1], **given_files} != files[-1]
            files[-1] |= given_files
            assert (done.version, done.created) == (len(seeds), created)
            assert await store.revision() == before + created + changed
        for version, expected in enumerate(files, start=1):
            entry = (await store.snapshot()).versions[FP_A, "v"][version]
            beside = await store.attached(entry)
            read = await store.data([file.digest for file in beside.values()])
            assert dict(zip(beside, read, strict=True)) == expected
        written = {upload(data).attachment.digest for _, each in steps for data in each.values()}
        needed = {upload(data).attachment.digest for each in files for data in each.values()}
        assert set(await store.data_sizes()) == written
        snapshot = await store.snapshot()
        assert await verify(store, snapshot) == ()
        found = await garbage(store, snapshot, now=datetime.now(UTC), keep_for=timedelta(0))
        assert {each.digest for each in found} == written - needed, "those that others replaced"
        caught_up = await store.catch_up(await store.snapshot())
        assert caught_up.versions == snapshot.versions


async def test_all_in_one_step(store: RegistryStore) -> None:
    uploads = {"extract.pairs": upload(b"pairs", "p.jsonl")}
    done = await store.publish(vector(), name="v", uploads=uploads, alias="canary", **WHO)
    log = await store.log(limit=9)
    assert [entry.kind for entry in log] == ["alias.set", "vector.attach", "vector.publish"]
    assert len({entry.at for entry in log}) == 1
    assert (await store.snapshot()).aliases_of(done) == ("canary",)
    before = await store.revision()
    await store.publish(vector(), name="v", uploads=uploads, alias="canary", **WHO)
    assert await store.revision() == before


async def test_what_is_too_large_or_misnamed_publishes_nothing(
    store: RegistryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached, "MAX_FILE_BYTES", 8)
    monkeypatch.setattr(attached, "MAX_BYTES", 12)
    monkeypatch.setattr(attached, "MAX_FILES", 3)
    for uploads, told in (
        ({"a": upload(b"123456789")}, "a file"),
        ({"a": upload(b"1234567"), "b": upload(b"7654321")}, "together"),
        ({name: upload(b"") for name in "abcd"}, "4 files"),
    ):
        with pytest.raises(CallerError, match=told) as caught:
            await store.publish(vector(), name="v", uploads=uploads, **WHO)
        assert caught.value.code == "data_too_large"
        assert "--no-data" in caught.value.message
    with pytest.raises(CallerError):
        await store.publish(vector(), name="v", alias="7", **WHO)
    assert await store.revision() == 0


async def test_gc_takes_files_with_the_last_version_that_has_them(store: RegistryStore) -> None:
    both, own = upload(b"both"), upload(b"own")
    await store.publish(vector(0), name="v", uploads={"a": both, "b": own}, **WHO)
    await store.publish(vector(1), name="v", uploads={"a": both}, **WHO)
    await store.retire("v", 1, **WHO)
    now = datetime.now(UTC) + timedelta(days=2)
    snapshot = await store.snapshot()
    assert await garbage(store, snapshot, now=now, keep_for=timedelta(days=3)) == ()
    found = await garbage(store, snapshot, now=now, keep_for=timedelta(days=1))
    assert [g.kind for g in found] == ["vector", "data"]
    data = [g.digest for g in found if g.kind == "data"]
    assert data == [own.attachment.digest]
    with pytest.raises(CallerError) as caught:
        await store.remove_blobs([], [both.attachment.digest], actor="x")
    assert caught.value.code == "registry_conflict"
    await store.remove_blobs([found[0].digest], data, actor="x")
    assert set(await store.data_sizes()) == {both.attachment.digest}
    assert await verify(store, await store.snapshot()) == (), "it was collected, as it should be"


async def test_lost_and_damaged_files_are_told_and_put_back(
    store: RegistryStore, registry_url: str
) -> None:
    uploads = {"a": upload(b"first"), "b": upload(b"second")}
    await store.publish(vector(), name="v", uploads=uploads, **WHO)
    with redis.Redis.from_url(registry_url) as client:
        client.set(layout.data_key(uploads["a"].attachment.digest), b"other")
        client.delete(layout.data_key(uploads["b"].attachment.digest))
    problems = await verify(store, await store.snapshot())
    assert [problem.subject.split()[0] for problem in problems] == ["a", "b"]
    read = await store.data([each.attachment.digest for each in uploads.values()])
    assert all(isinstance(each, OperatorError) for each in read)
    await store.publish(vector(), name="v", uploads=uploads, **WHO)
    assert await verify(store, await store.snapshot()) == ()


async def test_what_others_wrote_there_is_refused(store: RegistryStore, registry_url: str) -> None:
    entry = await store.publish(vector(), name="v", **WHO)
    field = layout.version_field(FP_A, "v", 1)
    digest = "sha256:" + "0" * 64
    with redis.Redis.from_url(registry_url) as client:
        for value in (
            "[]", "{}", '{"files": []}', '{"files": {"a": {}}}', '{"files": {"a": 3}}', "\ud800x",
            f'{{"files": {{"a": {{"name": "n", "digest": "{digest}", "size": -1}}}}}}',
            '{"files": {"a": {"name": "n", "digest": "sha256:x", "size": 1}}}',
        ):  # fmt: skip
            client.hset(layout.ATTACHED, field, value.encode(errors="surrogatepass"))
            with pytest.raises(OperatorError) as caught:
                await store.attached(entry)
            assert caught.value.code == "registry_corrupt"


async def test_a_servers_copy_knows_nothing_of_files(store: RegistryStore, tmp_path: Any) -> None:
    uploads = {"extract.pairs": upload(b"somebody's private words")}
    await store.publish(vector(), name="v", uploads=uploads, **WHO)
    copy = LocalCopy(tmp_path / "copy")
    copy.save(await store.snapshot())
    written = b"".join(p.read_bytes() for p in (tmp_path / "copy").rglob("*") if p.is_file())
    assert b"private" not in written
    assert uploads["extract.pairs"].attachment.digest.encode() not in written
