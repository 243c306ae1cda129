"""The kill switch where the registry is not the one that servers follow."""

from __future__ import annotations

import redis

from steersman_server.control.kill_switch import switch_off
from steersman_server.kill_file import KillFile
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import redis_server
from tests.unit.vectors.samples import FP_A, vector


async def test_a_registry_that_was_wiped_is_not_relied_on(tmp_path):
    with redis_server(tmp_path / "redis") as server:
        async with RegistryStore(server.url) as writer:
            await writer.publish(vector(), name="v", fingerprint=FP_A, actor="x")
            held = await writer.snapshot()
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        file = KillFile(tmp_path)
        async with RegistryStore(server.url, known=lambda: held) as store:
            pulled = await switch_off(store, file, actor="ann", reason="smoke")
    assert (pulled.by_file, file.reason()) == (True, "smoke")
