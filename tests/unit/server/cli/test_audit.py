"""`steersman audit`: every change, without secrets, and the past as it was."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_server.control import audit, flags, tenants
from steersman_server.control.audit import AuditFilter
from steersman_server.tenants.keys import hash_key
from steersman_vectors.errors import SteersmanError
from steersman_vectors.registry import documents
from steersman_vectors.registry.store import RegistryStore
from tests.unit.vectors.commands import Run

from .conftest import Answer


@pytest.fixture
def history(answer: Answer) -> str:
    """Some changes of two operators; returns a key that was made."""
    answer("tenants", "create", "acme", "--label", "tier=gold", "--actor", "ann")
    answer("tenants", "create", "globex", "--actor", "bob")
    key = answer("keys", "create", "--tenant", "acme", "--actor", "ann")["key"]
    answer("tenants", "update", "acme", "--dose-cap", "2", "--actor", "bob")
    answer("flags", "set", "steering", "off", "--tenant", "acme", "--actor", "ann")
    return str(key)


def test_who_when_before_after_and_no_secret(run: Run, answer: Answer, history: str) -> None:
    found = answer("audit")["changes"]
    assert [(e["revision"], e["actor"], e["kind"]) for e in found] == [
        (5, "ann", "flag.set"),
        (4, "bob", "tenant.set"),
        (3, "ann", "key.set"),
        (2, "bob", "tenant.set"),
        (1, "ann", "tenant.set"),
    ]
    assert (found[1]["before"]["dose_cap"], found[1]["after"]["dose_cap"]) == (None, 2.0)
    assert found[2]["before"] is None
    age = datetime.now(UTC) - datetime.fromisoformat(found[0]["at"])
    assert timedelta(0) <= age < timedelta(minutes=5)
    said = [
        run("audit", *more).stdout
        for more in ((), ("--json",), ("--json-lines",), ("--at", "5"), ("--at", "5", "--json"))
    ]
    for text in said:
        assert "acme" in text
        assert history not in text
        assert hash_key(history) not in text
        assert "sha256" not in text
    assert "dose_cap: - -> 2.0" in said[0]


@pytest.mark.usefixtures("history")
def test_filters_and_export(run: Run, answer: Answer) -> None:
    def revisions(*options: str) -> list[int]:
        return [e["revision"] for e in answer("audit", *options)["changes"]]

    assert revisions("--kind", "tenant") == [4, 2, 1]
    assert revisions("--kind", "key.set") == [3]
    assert revisions("--subject", "acme") == [4, 1]
    assert revisions("--actor", "bob", "--kind", "tenant") == [4, 2]
    assert revisions("--limit", "2") == [5, 4]
    assert revisions("--since", "1h") == [5, 4, 3, 2, 1]
    assert revisions("--until", "1h") == []
    assert revisions("--since", "2999-01-01") == []
    assert revisions("--actor", "nobody") == []
    assert "more with --limit" in run("audit", "--limit", "2").stdout
    lines = run("audit", "--json-lines").stdout.splitlines()
    assert [json.loads(line)["revision"] for line in lines] == [5, 4, 3, 2, 1]
    assert run("audit", "--json-lines", "--actor", "nobody").stdout == ""


def test_an_export_is_whole(run: Run, answer: Answer) -> None:
    for k in range(25):
        answer("tenants", "create", f"t{k}")
    assert len(answer("audit")["changes"]) == 20
    assert len(run("audit", "--json-lines").stdout.splitlines()) == 25


BAD = [
    (("--kind", "tenants"), "invalid_option"),
    (("--since", "yesterday"), "invalid_option"),
    (("--until", "2h ago"), "invalid_option"),
    (("--at", "99"), "revision_not_found"),
    (("--at", "1", "--kind", "flag"), "invalid_option"),
    (("--at", "1", "--json-lines"), "invalid_option"),
]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(("options", "code"), BAD, ids=lambda v: " ".join(v)[:40])
def test_bad_values_are_refused(answer: Answer, options: tuple[str, ...], code: str) -> None:
    assert answer("audit", *options, code=3)["code"] == code


@pytest.mark.usefixtures("history", "vectors")
def test_what_was_in_force(run: Run, answer: Answer) -> None:
    answer("vectors", "promote", "empathy@1", "prod")
    answer("vectors", "retire", "concise@1")
    answer("tenants", "delete", "acme", "--yes")
    then = answer("audit", "--at", "3")
    assert (sorted(then["tenant"]), len(then["key"]), then["vectors"]) == (
        ["acme", "globex"],
        1,
        [],
    )
    assert then["tenant"]["acme"]["dose_cap"] is None
    assert answer("audit", "--at", "4")["tenant"]["acme"]["dose_cap"] == 2.0
    last = answer("audit", "--at", "9")
    assert {v["name"]: v["retired"] for v in last["vectors"]} == {"concise": True, "empathy": False}
    assert [(a["alias"], a["version"]) for a in last["aliases"]] == [("prod", 1)]
    people = run("audit", "--at", "9").stdout
    assert "In force at revision 9" in people
    assert "empathy@prod" in people
    nothing = answer("audit", "--at", "0")
    assert (nothing["tenant"], nothing["vectors"], nothing["at"]) == ({}, [], None)
    assert "Nothing was configured" in run("audit", "--at", "0").stdout


NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.one_of(
    st.tuples(st.just("create"), NAMES, st.just(0)),
    st.tuples(st.just("delete"), NAMES, st.just(0)),
    st.tuples(st.just("cap"), NAMES, st.integers(1, 3)),
    st.tuples(st.just("flag"), NAMES, st.integers(0, 2)),
    st.tuples(st.just("key"), NAMES, st.just(0)),
    st.tuples(st.just("kill"), NAMES, st.integers(0, 1)),
)


async def _do(store: RegistryStore, step: tuple[str, str, int]) -> None:
    what, name, value = step
    match what:
        case "create":
            await tenants.create_tenant(store, name, {}, actor="t")
        case "delete":
            await tenants.delete_tenant(store, name, actor="t")
        case "cap":
            await tenants.update_tenant(store, name, {"dose_cap": value}, actor="t")
        case "key":
            await tenants.create_key(store, tenant=name, actor="t")
        case "kill":
            await flags.set_kill_switch(store, on=bool(value), reason=name, actor="t")
        case "flag" if value == 2:
            await flags.unset_flag(store, "steering", tenant=name, actor="t")
        case "flag":
            variant = ("on", "off")[value]
            await flags.set_flag(store, "steering", variant, tenant=name, actor="t")


def _photo(documents: Any) -> dict[str, Any]:
    found = {field: json.loads(text) for field, text in documents.items()}
    return {
        field: {k: v for k, v in value.items() if k != "sha256"} for field, value in found.items()
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=15))
def test_the_past_is_what_it_was(
    served_dir: tuple[Path, str], steps: list[tuple[str, str, int]]
) -> None:
    """Photographs after every step are the oracle for the configuration at each revision."""
    with redis.Redis.from_url(served_dir[1]) as client:
        client.flushall()

    async def check() -> None:
        async with RegistryStore(served_dir[1]) as store:
            photos: dict[int, dict[str, Any]] = {0: {}}
            for step in steps:
                with suppress(SteersmanError):
                    await _do(store, step)
                snapshot = await store.snapshot()
                photos[snapshot.revision] = _photo(snapshot.documents)
            for revision, photo in photos.items():
                then = await audit.in_force_at(store, revision)
                found = {
                    f"{kind}/{name}": value
                    for kind in documents.KINDS
                    for name, value in then[kind].items()
                }
                assert found == photo
            log = await audit.changes(store, AuditFilter(), limit=None)
            assert [e.revision for e in log] == list(range(max(photos), 0, -1))

    asyncio.run(check())
