"""Vectors that a server publishes before it starts."""

from __future__ import annotations

import asyncio

import pytest

from steersman_server.serve.library import publish
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import redis_server
from tests.unit.vectors.samples import vector

FINGERPRINT = "sha256:" + "a" * 64


@pytest.fixture
def url(tmp_path):
    with redis_server(tmp_path) as server:
        yield server.url


def usable(url: str) -> list[str]:
    async def look() -> list[str]:
        async with RegistryStore(url) as store:
            return [str(entry) for entry in (await store.current()).usable(FINGERPRINT)]

    return asyncio.run(look())


def test_a_start_publishes_what_is_not_there_and_nothing_twice(url):
    made = vector()
    for _ in range(2):
        assert publish([made], url=url, fingerprint=FINGERPRINT) == []
        assert usable(url) == [f"{made.card.name}@1"]


def test_a_start_does_not_bring_back_what_was_retired(url):
    made = vector()
    publish([made], url=url, fingerprint=FINGERPRINT)

    async def retire() -> None:
        async with RegistryStore(url) as store:
            await store.retire(
                made.card.name, 1, fingerprint=FINGERPRINT, actor="eve", reason="too cold"
            )

    asyncio.run(retire())
    (warning,) = publish([made], url=url, fingerprint=FINGERPRINT)
    assert "too cold" in warning
    assert "vectors push" in warning
    assert usable(url) == []
