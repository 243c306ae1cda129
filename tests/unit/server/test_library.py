"""Vectors that a server publishes before it starts."""

from __future__ import annotations

import asyncio

import pytest

from steersman_server.serve.library import publish
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.vector import SteeringVector
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


def retire(url: str, name: str, version: int) -> None:
    async def take_away() -> None:
        async with RegistryStore(url) as store:
            await store.retire(
                name, version, fingerprint=FINGERPRINT, actor="eve", reason="too cold"
            )

    asyncio.run(take_away())


def push(url: str, made: SteeringVector) -> None:
    async def bring() -> None:
        async with RegistryStore(url) as store:
            await store.publish(made, name=made.card.name, fingerprint=FINGERPRINT, actor="ann")

    asyncio.run(bring())


def test_a_start_publishes_what_is_not_there_and_nothing_twice(url):
    made = vector()
    for _ in range(2):
        assert publish([made], url=url, fingerprint=FINGERPRINT) == []
        assert usable(url) == [f"{made.card.name}@1"]


def test_a_start_does_not_bring_back_what_was_retired(url):
    made = vector()
    publish([made], url=url, fingerprint=FINGERPRINT)
    retire(url, made.card.name, 1)
    (warning,) = publish([made], url=url, fingerprint=FINGERPRINT)
    assert "too cold" in warning
    assert "vectors push" in warning
    assert usable(url) == []


def test_of_several_versions_with_the_same_vector_the_newest_says_whether_it_was_retired(url):
    """An older one in use brought it back, as the newest version of all."""
    made, better = vector(), vector(seed=1)
    name = made.card.name
    for each in (made, better, made):
        push(url, each)
    retire(url, name, 3)
    (warning,) = publish([made], url=url, fingerprint=FINGERPRINT)
    assert f"{name}@3" in warning
    assert usable(url) == [f"{name}@1", f"{name}@2"]
    push(url, made)  # an operator wants it after all
    assert publish([made], url=url, fingerprint=FINGERPRINT) == []
    assert usable(url) == [f"{name}@1", f"{name}@2", f"{name}@4"]


def test_a_start_puts_nothing_before_what_was_published_since(url):
    """A restart took back what an operator had pushed."""
    made, better = vector(), vector(seed=1)
    name = made.card.name
    publish([made], url=url, fingerprint=FINGERPRINT)
    push(url, better)
    (warning,) = publish([made], url=url, fingerprint=FINGERPRINT)
    assert f"{name}@1" in warning
    assert f"{name}@2" in warning
    assert usable(url) == [f"{name}@1", f"{name}@2"]
    retire(url, name, 2)
    assert publish([made], url=url, fingerprint=FINGERPRINT) == []
