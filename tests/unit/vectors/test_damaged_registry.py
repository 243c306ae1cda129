"""A registry that something else wrote into: commands say so in a line and exit with 4."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from steersman_vectors.registry import layout
from steersman_vectors.registry.store import RegistryStore

from .commands import Run
from .samples import FP_A, vector

COMMANDS = [
    ("list",), ("list", "--all"), ("log",), ("show", "calm"), ("show", "calm@prod"), ("verify",),
    ("gc", "--dry-run"), ("promote", "calm@1", "prod"), ("rollback", "calm", "prod"),
    ("retire", "calm@1"),
]  # fmt: skip
WRITES: dict[str, Callable[[redis.Redis, str], Any]] = {
    "string": lambda client, key: client.set(key, b"\xff"),
    "list": lambda client, key: client.rpush(key, "x"),
    "set": lambda client, key: client.sadd(key, "x"),
    "zset": lambda client, key: client.zadd(key, {"x": 1.0}),
    "hash": lambda client, key: client.hset(key, "x", "y"),
    "stream": lambda client, key: client.xadd(key, {"x": "y"}),
}
KEYS = (
    layout.ID, layout.REV, layout.LOG, layout.VECTORS, layout.NEWEST, layout.ALIASES,
    layout.RETIRED,
)  # fmt: skip
HARMLESS = {layout.NEWEST, layout.ID}
"""What not every command reads."""


@pytest.fixture
def registry(registry_url: str) -> str:
    """The URL of a registry with two versions of `calm`, one with an alias, and one retired."""

    async def fill() -> None:
        async with RegistryStore(registry_url) as store:
            for seed in range(3):
                await store.publish(vector(seed), name="calm", fingerprint=FP_A, actor="x")
            for version in (2, 3):
                await store.promote("calm", version, "prod", fingerprint=FP_A, actor="x")
            await store.retire("calm", 1, fingerprint=FP_A, actor="x")

    asyncio.run(fill())
    return registry_url


def check_all(run: Run, url: str, *, may_work: bool) -> None:
    failed = 0
    for command in COMMANDS:
        for more in ((), ("--json",)):
            done = run("vectors", *command, "--redis-url", url, *more)
            assert done.returncode in (0, 3, 4), (command, done)
            if done.returncode == 4 and done.stderr:
                failed += 1
                check_error(done.stderr, as_json=bool(more))
    assert may_work or failed


def check_error(text: str, *, as_json: bool) -> None:
    assert len(text.splitlines()) == 1
    assert len(text) < 1500
    if as_json:
        code = json.loads(text)["error"]["code"]
        assert code in ("registry_corrupt", "registry_unavailable", "registry_rolled_back")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", WRITES)
def test_a_key_of_another_type(run: Run, registry: str, key: str, kind: str) -> None:
    with redis.Redis.from_url(registry) as client:
        client.delete(key)
        WRITES[kind](client, key)
    check_all(run, registry, may_work=key in HARMLESS)


@pytest.mark.parametrize("kind", WRITES)
def test_a_blob_of_another_type(run: Run, registry: str, kind: str) -> None:
    with redis.Redis.from_url(registry) as client:
        (key, *_) = sorted(client.scan_iter(match=f"{layout.BLOB_PREFIX}*"))
        client.delete(key)
        WRITES[kind](client, key)
        WRITES[kind](client, layout.BLOB_PREFIX + "\udcff".encode(errors="surrogateescape").hex())
    check_all(run, registry, may_work=True)
    assert run("vectors", "verify", "--redis-url", registry).returncode == 4


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        (layout.VECTORS, f"{FP_A}/calm/2", "[]"),
        (layout.VECTORS, f"{FP_A}/calm/2", "[" * 100_000),
        (layout.VECTORS, f"{FP_A}/calm/0", None),
        (layout.VECTORS, f"{FP_A}/calm/{'9' * 5000}", None),
        (layout.VECTORS, f"{FP_A}/calm/\uff11", None),
        (layout.VECTORS, b"\xff\x1b[31m\n", b"\xff"),
        (layout.VECTORS, f"{FP_A}/calm/2", {"actor": 3}),
        (layout.VECTORS, f"{FP_A}/calm/2", {"digest": ["x"]}),
        (layout.VECTORS, f"{FP_A}/calm/2", {"created_at": "2026-01-01T00:00:00"}),
        (layout.VECTORS, f"{FP_A}/calm/2", {"card": {"name": "x\ny"}}),
        (layout.ALIASES, f"{FP_A}/calm/prod", "\uff12"),
        (layout.ALIASES, f"{FP_A}/calm/prod", "0"),
        (layout.ALIASES, f"{FP_A}/calm/prod", "9" * 40),
        (layout.ALIASES, f"{FP_A}/calm/PROD", "1"),
        (layout.RETIRED, f"{FP_A}/calm/1", "[]"),
        (layout.RETIRED, f"{FP_A}/calm/1", '{"at": "2026-01-01", "actor": "x", "reason": ""}'),
        (layout.RETIRED, f"{FP_A}/calm/1", '{"at": 0, "actor": [], "reason": 1}'),
    ],
)
def test_a_field_of_other_content(
    run: Run, registry: str, key: str, field: str | bytes, value: Any
) -> None:
    with redis.Redis.from_url(registry) as client:
        entry = json.loads(client.hget(layout.VECTORS, f"{FP_A}/calm/2") or b"")
        if value is None or isinstance(value, dict):
            value = json.dumps(entry | (value or {}))
        client.hset(key, field, value)
    check_all(run, registry, may_work=False)


@pytest.mark.parametrize("value", ["-1", "x", "9" * 30, "9" * 5000, "\uff11", "01", "", b"\xff"])
def test_a_revision_that_is_none(run: Run, registry: str, value: str | bytes) -> None:
    with redis.Redis.from_url(registry) as client:
        client.set(layout.REV, value)
    check_all(run, registry, may_work=False)


@pytest.mark.parametrize(
    "entry",
    [{"x": "y"}, {"at": "2026-01-01"}, {b"\xff": b"\xff"}, {"at": b"\xff\n", "kind": "\x1b[31m"}],
)
def test_a_log_entry_of_somebody_else(run: Run, registry: str, entry: Any) -> None:
    with redis.Redis.from_url(registry) as client:
        client.xadd(layout.LOG, entry, id="999-0")
    check_all(run, registry, may_work=False)


def test_an_id_that_is_no_text(run: Run, registry: str) -> None:
    with redis.Redis.from_url(registry) as client:
        client.set(layout.ID, b"\xff\n")
    check_all(run, registry, may_work=True)
