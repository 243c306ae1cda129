"""Documents in the registry on a real Valkey, against a dict."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.registry import layout
from steersman_vectors.registry.documents import (
    Documents,
    DocumentWrite,
    delete_document,
    field_of,
    of_kind,
    set_document,
)
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.store import RegistryStore

from .samples import FP_A, vector
from .test_transaction import kill_at

ONE_WRITE = st.tuples(
    st.sampled_from(["tenant", "flag"]),
    st.sampled_from(["a", "B.b"]),
    st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=4), max_size=2),
)
TRANSACTIONS = st.lists(st.lists(ONE_WRITE, max_size=3), max_size=6)


def written(kind, name, value) -> DocumentWrite:
    return delete_document(kind, name) if value is None else set_document(kind, name, value)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(transactions=TRANSACTIONS)
def test_documents_equal_a_dict_read_whole_or_followed(
    registry_url: str, tmp_path: Path, transactions: list
) -> None:
    async def scenario() -> None:
        expected: dict[str, object] = {}
        revision = 0
        async with RegistryStore(registry_url) as store:
            followed = await store.snapshot()
            for transaction in transactions:
                writes = [written(*one) for one in transaction]
                made = 0
                for (kind, name, value), write in zip(transaction, writes, strict=True):
                    made += expected.get(write.field) != value
                    if value is None:
                        expected.pop(f"{kind}/{name}", None)
                    else:
                        expected[f"{kind}/{name}"] = value
                result = await store.write_documents(lambda _, w=writes: w, actor="x")
                revision += made
                assert result == (revision if made else None)
                followed = await store.catch_up(followed)
                assert {f: json.loads(v) for f, v in followed.documents.items()} == expected
            whole = await store.snapshot()
            assert (whole, whole.revision) == (followed, revision)
            log = await store.log(limit=100)
            assert [entry.revision for entry in log] == list(range(revision, 0, -1))
        local = LocalCopy(tmp_path)
        local.save(whole)
        assert local.load() == whole

    with redis.Redis.from_url(registry_url) as client:
        client.flushall()
    asyncio.run(scenario())


async def test_the_log_has_each_document_before_and_after(registry_url: str) -> None:
    async with RegistryStore(registry_url) as store:
        await store.write_documents(
            lambda _: [set_document("tenant", "a", {"n": 1}), set_document("key", "k", {})],
            actor="ann",
        )
        await store.write_documents(lambda _: [set_document("tenant", "a", {"n": 2})], actor="bob")
        await store.write_documents(lambda _: [delete_document("key", "k")], actor="bob")
        log = [(e.revision, e.kind, e.subject, e.actor, e.before, e.after)
               for e in reversed(await store.log(limit=10))]  # fmt: skip
    assert log == [
        (1, "tenant.set", "tenant/a", "ann", "", '{"n":1}'),
        (2, "key.set", "key/k", "ann", "", "{}"),
        (3, "tenant.set", "tenant/a", "bob", '{"n":1}', '{"n":2}'),
        (4, "key.delete", "key/k", "bob", "{}", ""),
    ]


async def test_of_two_who_decide_on_the_same_documents_the_second_decides_anew(
    registry_url: str,
) -> None:
    def count(documents: Documents) -> Iterable[DocumentWrite]:
        n = json.loads(documents.get("switch/n", "0"))
        return [set_document("switch", "n", n + 1)]

    async with RegistryStore(registry_url) as store:
        await asyncio.gather(*(store.write_documents(count, actor="x") for _ in range(8)))
        snapshot = await store.snapshot()
    assert (snapshot.documents, snapshot.revision) == ({"switch/n": "8"}, 8)


async def test_a_refusal_writes_nothing(registry_url: str) -> None:
    def refuse(_: Documents) -> Iterable[DocumentWrite]:
        raise CallerError("no", code="refused")

    async with RegistryStore(registry_url) as store:
        with pytest.raises(CallerError, match="no"):
            await store.write_documents(refuse, actor="x")
        assert await store.revision() == 0


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_writer_killed_at_any_command_leaves_all_documents_or_none(
    registry_url: str, moment: str
) -> None:
    async def write_two() -> None:
        async with RegistryStore(registry_url) as store:
            await store.write_documents(
                lambda _: [set_document("tenant", "a", 1), set_document("key", "k", 2)], actor="x"
            )

    async def documents() -> tuple[int, dict[str, str]]:
        async with RegistryStore(registry_url) as store:
            snapshot = await store.snapshot()
            assert len(await store.log(limit=9)) == snapshot.revision
            return snapshot.revision, dict(snapshot.documents)

    outcomes = set()
    for die_at in range(1, 60):
        with redis.Redis.from_url(registry_url) as client:
            client.flushall()
        pid = os.fork()
        if not pid:
            try:
                kill_at(die_at, moment)
                asyncio.run(write_two())
                os._exit(0)
            finally:
                os._exit(3)
        status = os.waitpid(pid, 0)[1]
        revision, found = asyncio.run(documents())
        assert (revision, found) in [(0, {}), (2, {"tenant/a": "1", "key/k": "2"})]
        outcomes.add(revision)
        if status == 0:
            break
        assert status == signal.SIGKILL
    assert outcomes == {0, 2}


async def test_vectors_and_documents_share_the_revision(registry_url: str) -> None:
    async with RegistryStore(registry_url) as store:
        await store.write_documents(lambda _: [set_document("tenant", "a", 1)], actor="x")
        first = await store.snapshot()
        await store.publish(vector(), name="calm", fingerprint=FP_A, actor="x")
        assert await store.catch_up(first) == await store.snapshot()
        assert (await store.snapshot()).documents == {"tenant/a": "1"}


@pytest.mark.parametrize("name", ["", "a/b", ".a", "a b", "x" * 129, "a\n", "é"])
def test_names_that_could_be_mistaken_are_refused(name: str) -> None:
    with pytest.raises(CallerError) as caught:
        field_of("tenant", name)
    assert caught.value.code == "invalid_name"


def test_a_document_has_a_largest_size() -> None:
    with pytest.raises(CallerError, match="at most"):
        set_document("flag", "f", "x" * 300_000)


def test_kinds_are_told_apart() -> None:
    documents = {"tenant/b": "1", "tenant/a": "2", "tenants/x": "3", "key/tenant": "4"}
    assert list(of_kind(documents, "tenant").items()) == [("a", "2"), ("b", "1")]


async def test_bytes_that_are_no_text_are_reported(registry_url: str) -> None:
    with redis.Redis.from_url(registry_url) as client:
        client.hset(layout.DOCUMENTS, "tenant/a", b"\xff")
    async with RegistryStore(registry_url) as store:
        with pytest.raises(OperatorError) as caught:
            await store.snapshot()
    assert caught.value.code == "registry_corrupt"
