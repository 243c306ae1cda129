"""The admin API on a real port and a real Redis, in this process; only the engine is a fake."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from steersman_server.access.settings import access_settings
from steersman_server.app import SteeringEndpointPlugin
from steersman_server.control import flags, policies, tenants
from steersman_server.control.documents import read
from steersman_server.engine.self_test import SelfTest
from steersman_server.live_registry import LiveRegistry
from steersman_server.service import SteeringService
from steersman_server.settings import ServerSettings
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import RedisServer
from tests.unit.server.fakes import FakeLink
from tests.unit.server.samples import ENGINE
from tests.unit.vectors.samples import HIDDEN, LAYERS, vector

ROOT = "the-key-in-the-environment"
ROLES = ("viewer", "operator", "admin")


@dataclass
class AdminServer:
    """A running app; `keys` by who they are for."""

    app: FastAPI
    url: str
    keys: dict[str, str]
    data_dir: Path
    redis: RedisServer

    def http(self, who: str = "admin", **options) -> httpx.Client:
        headers = {} if who == "nobody" else {"authorization": f"Bearer {self.keys[who]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **options)


async def furnish(url: str) -> dict[str, str]:
    """Registers vectors, two tenants with keys, and a key for each role; returns the keys."""
    async with RegistryStore(url) as store:
        for seed, name in enumerate(("empathy", "concise")):
            await store.publish(
                vector(seed, name=name), name=name, fingerprint=ENGINE.fingerprint, actor="test"
            )
        made = {}
        for name in ("acme", "hooli"):
            fields = {"vectors": ["empathy"], "alpha_caps": {"empathy": 0.5}}
            await tenants.create_tenant(store, name, fields, actor="test")
            made[name] = (await tenants.create_key(store, tenant=name, actor="test")).secret
        for role in ROLES:
            made[role] = (await tenants.create_key(store, role=role, actor="test")).secret
        rules = {"rules": [{"name": "always", "steer": {"vectors": {"empathy": 0.25}}}]}
        await policies.set_policy(store, "acme", rules, actor="test")
        steer = {"steer": {"vectors": {"empathy": 0.25}}}
        await policies.set_profile(store, "formal", steer, actor="test")
        await flags.set_flag(store, "steering", "on", tenant="acme", actor="test")
        assert len((await read(store)).keys) == 5
    return {**made, "root": ROOT}


@contextmanager
def admin_server(redis: RedisServer, folder: Path) -> Iterator[AdminServer]:
    """Gives a running server, with what `furnish` put into its registry."""
    keys = asyncio.run(furnish(redis.url))
    app = _app(redis.url, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(app, port=port, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield AdminServer(app, f"http://127.0.0.1:{port}", keys, folder, redis)
    server.should_exit = True
    thread.join(timeout=20)


def _app(url: str, folder: Path) -> FastAPI:
    settings = ServerSettings(
        registry_url=url,
        fingerprint=ENGINE.fingerprint,
        shape=ModelShape(hidden_size=HIDDEN, num_layers=LAYERS),
        data_dir=folder,
        registry_copy=folder / "copy",
        server_pid=1,
        access=access_settings(api_keys=(), admin_key=ROOT, on_loopback=True),
        model_names=("tiny",),
    )
    plugin = SteeringEndpointPlugin()
    plugin.settings = settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        registry = await LiveRegistry.open(url, LocalCopy(folder / "copy"))
        service = SteeringService(
            settings, registry, FakeLink(), ENGINE, SelfTest((0, 1, 2, 3), 0.1)
        )
        await service.supply.fetch(registry.snapshot)
        app.state.steering = plugin.service = service
        follower = asyncio.create_task(registry.follow(service.supply.prepare, show=service._show))
        yield
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        await service.store.aclose()
        await registry.reader.aclose()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)
    plugin.attach_router(app)
    return app
