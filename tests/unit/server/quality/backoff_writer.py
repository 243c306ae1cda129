"""A process that backs a tenant off: `python -m ... URL`. Says what it did, as one line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys

from steersman_server.control.documents import read
from steersman_server.quality.backoff_actor import BackoffActor
from steersman_vectors.quality.judgement import Judgement
from steersman_vectors.registry.store import RegistryStore
from tests.unit.server.quality.observations import observed


async def back_off(url: str) -> dict[str, float]:
    """Judges forty answers of acme as gibberish, as soon as a line comes on stdin."""
    async with RegistryStore(url) as store:
        actor = BackoffActor(store, await read(store), await store.revision(), actor="a process")
        actor.start()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        bad = Judgement(frozenset({"gibberish"}))
        for _ in range(40):
            actor.on_judged(observed(revision=10**6), bad)
        await asyncio.sleep(0)
        in_force = actor.backoffs["acme"].scale
        await actor.told()
        return {"in_force": in_force}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(back_off(sys.argv[1]))))
