"""The registry's follower outlives what goes wrong, and says so while it does."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from steersman_server import live_registry
from steersman_server.live_registry import LiveRegistry
from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.snapshot import RegistrySnapshot


class FakeStore:
    """Plays back what `wait_for_change` gives: a revision, or an error."""

    def __init__(self, script):
        self.script = list(script)
        self.played = asyncio.Event()

    async def wait_for_change(self, revision, seconds):
        if not self.script:
            self.played.set()
            await asyncio.sleep(3600)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        self.revision = step
        return step

    async def snapshot(self):
        return RegistrySnapshot.of(self.revision)


async def follow(script, on_change):
    live = LiveRegistry(FakeStore(script), RegistrySnapshot.of(1))
    task = asyncio.create_task(live.follow(on_change))
    await asyncio.wait_for(live.store.played.wait(), 10)
    alive = not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return live, alive


@pytest.mark.parametrize(
    "error", [OperatorError("away", code="registry_unavailable"), KeyError("a fault of ours")]
)
async def test_it_goes_on_after_any_error(monkeypatch, error):
    monkeypatch.setattr(live_registry, "RETRY_S", 0.0)
    seen = []

    async def on_change(snapshot):
        seen.append(snapshot.revision)

    live, alive = await follow([error, 2, error, 3], on_change)
    assert alive
    assert seen == [2, 3]
    assert (live.snapshot.revision, live.error, live.stale) == (3, None, False)


async def test_a_fault_of_ours_is_shown_until_the_registry_is_heard_again(monkeypatch):
    monkeypatch.setattr(live_registry, "RETRY_S", 0.0)

    async def on_change(snapshot):
        raise RuntimeError("a fault of ours")

    live, alive = await follow([2], on_change)
    assert alive
    assert (live.snapshot.revision, live.error, live.stale) == (2, "internal_error", True)


def test_silence_for_longer_than_a_poll_is_stale():
    live = LiveRegistry(None, RegistrySnapshot.of(1))
    assert not live.stale
    live.confirmed_at -= live_registry.POLL_S + live_registry.GRACE_S + 1
    assert live.stale
