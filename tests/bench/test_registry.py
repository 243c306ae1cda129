"""What the registry costs at scale, how fast a change arrives, and what a dead Redis does.

`make bench-registry`; some ten minutes. Writes `docs/benchmarks/registry.json` and `.md`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import redis as redis_client
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.vector import from_differences
from tests.bench.pages import OUT, machine, write
from tests.e2e.conftest import STEERSMAN, Server, start
from tests.redis_server import RedisServer, redis_server
from tests.tiny_model import build_tokenizer

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3000)]

TENANTS, PER_TENANT = 1000, 10
LAYERS, HIDDEN = (1, 2, 3, 4, 5), 4096
CHANGES, REQUESTS, PROCESSES = 200, 300, 2
MANY = 2000
SHARDS, SHARD_MIB = 4, 512
QUESTION = {"role": "user", "content": "Where is my order?"}
FIGURES: dict[str, Any] = {}


@pytest.fixture(scope="module")
def redis(tmp_path_factory) -> Iterator[RedisServer]:
    with redis_server(
        tmp_path_factory.mktemp("redis"), "--enable-debug-command", "local"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model with the residual stream of an 8B one, and next to nothing else."""
    folder = tmp_path_factory.mktemp("wide")
    config = LlamaConfig(
        vocab_size=320, hidden_size=HIDDEN, intermediate_size=64, num_hidden_layers=6,
        num_attention_heads=2, num_key_value_heads=1, head_dim=64, max_position_embeddings=2048,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    build_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[None]:
    """Writes the page; what this run did not measure stays as it was, if of the same machine."""
    yield
    before = json.loads((OUT / "registry.json").read_text())
    figures = (before["figures"] if before["machine"] == machine() else {}) | FIGURES
    record = {"machine": machine(), "figures": figures}
    rows = [f"| {what} | {value} |" for what, value in figures.items()]
    text = [
        "# The registry at scale",
        "",
        f"{machine()}. {TENANTS * PER_TENANT} vectors of {len(LAYERS)} layers x {HIDDEN} over "
        f"{TENANTS} tenants, on a Redis of this machine that",
        "confirms every change from disk. Made by `make bench-registry`.",
        "",
        "| | |",
        "|---|---|",
        *rows,
    ]
    write("registry", record, "\n".join(text) + "\n")


def percentiles(seconds: list[float]) -> str:
    p50, p99 = np.percentile(np.array(seconds) * 1e3, (50, 99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {max(seconds) * 1e3:.1f} ms"


def drawn(rng: np.random.Generator, name: str):
    return from_differences(
        {i: rng.normal(size=HIDDEN) for i in LAYERS}, name=name, scale="unit", alpha_max=4.0
    )


def test_hashing(tmp_path, model):
    """All cores, against reading alone and against one core that hashes."""
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    shards = [tmp_path / f"model-{k}-of-{SHARDS}.safetensors" for k in range(SHARDS)]
    for path in shards:
        path.write_bytes(os.urandom(2**20) * SHARD_MIB)
    total = SHARDS * SHARD_MIB * 2**20

    def rate(what) -> str:
        started = time.perf_counter()
        what()
        return f"{total / (time.perf_counter() - started) / 1e9:.2f} GB/s"

    def read(hashing: bool) -> None:
        for path in shards:
            sha256 = hashlib.sha256()
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(2**22):
                    if hashing:
                        sha256.update(chunk)

    read(hashing=False)  # the same cache for all
    FIGURES["fingerprint: reading alone"] = rate(lambda: read(hashing=False))
    FIGURES["fingerprint: one core that hashes"] = rate(lambda: read(hashing=True))
    cache = tmp_path / "cache.json"
    FIGURES[f"fingerprint: Steersman, {os.cpu_count()} cores"] = rate(
        lambda: fingerprint(tmp_path, cache_path=cache)
    )
    time.sleep(2.5)  # files just written are not remembered
    fingerprint(tmp_path, cache_path=cache)
    started = time.perf_counter()
    fingerprint(tmp_path, cache_path=cache)
    FIGURES["fingerprint: again, from the cache"] = (
        f"{(time.perf_counter() - started) * 1e3:.1f} ms"
    )


def test_scale(redis, model, data_dir, tmp_path):
    bound_to = fingerprint(model).digest
    empty = timed_start(model, tmp_path / "empty", tmp_path / "empty.log", redis)
    FIGURES["start to ready, empty registry"] = f"{empty:.1f} s"
    took = asyncio.run(publish_all(redis.url, bound_to))
    FIGURES["publish one (10,000 in turn)"] = percentiles(took)
    listed = [command("vectors", "list", "--redis-url", redis.url, "--json") for _ in range(3)]
    FIGURES["`steersman vectors list --json`"] = f"{min(listed):.2f} s"
    with redis_client.Redis.from_url(redis.url) as client:
        used = client.info("memory")["used_memory"]
    FIGURES["memory of Redis"] = f"{used / 2**20:.0f} MiB"
    cold = timed_start(model, data_dir, tmp_path / "cold.log", redis)
    FIGURES["start to ready, 10,000 vectors, cold disk"] = f"{cold:.1f} s"
    before = time.monotonic()
    server = begin(model, data_dir, tmp_path / "warm.log", redis)
    try:
        FIGURES["start to ready, 10,000 vectors, warm disk"] = f"{time.monotonic() - before:.1f} s"
        resident = until_resident(server, before, TENANTS * PER_TENANT)
        FIGURES["... until all are in the worker"] = f"{resident:.1f} s"
        memory(server)
        reports = data_dir / "processes"
        seconds = asyncio.run(changes(redis.url, bound_to, reports, kind="publish", count=20))
        FIGURES["a new vector among 10,000, published to resident"] = percentiles(seconds)
    finally:
        assert server.stop() == []


def test_propagation_and_admission(redis, model, tmp_path):
    """Two API processes; then what requests notice of a Redis that is slow, frozen or dead."""
    redis.wipe()
    bound_to = fingerprint(model).digest
    asyncio.run(publish_all(redis.url, bound_to, count=10))
    server = begin(model, tmp_path / "data", tmp_path / "log", redis,
                   "--api-server-count", str(PROCESSES))  # fmt: skip
    try:
        reports = tmp_path / "data" / "processes"
        for kind, what in (("publish", "published to resident"), ("promote", "promoted to seen")):
            seconds = asyncio.run(changes(redis.url, bound_to, reports, kind=kind, count=CHANGES))
            FIGURES[f"change, {what}, in all of {PROCESSES} processes"] = percentiles(seconds)
        latency: dict[str, list[float]] = {}
        ask(server, 50)
        for _ in range(2):
            latency.setdefault("healthy", []).extend(ask(server, REQUESTS))
            with slow(redis):
                latency.setdefault("slow (each answer 0.2 s)", []).extend(ask(server, REQUESTS))
            redis.freeze()
            latency.setdefault("frozen", []).extend(ask(server, REQUESTS))
            redis.thaw()
            redis.kill()
            latency.setdefault("killed", []).extend(ask(server, REQUESTS))
            redis.start()
            wait_healthy(server)
        for state, seconds in latency.items():
            FIGURES[f"a steered request of one token, Redis {state}"] = percentiles(seconds)
    finally:
        assert server.stop() == []


def test_importing_many_under_load(redis, model, tmp_path):
    """Requests do not wait for vectors that others publish; one process, one after the other."""
    redis.wipe()
    bound_to = fingerprint(model).digest
    asyncio.run(publish_all(redis.url, bound_to, count=10))
    server = begin(model, tmp_path / "data", tmp_path / "log", redis)
    try:
        ask(server, 50)
        before = ask(server, REQUESTS)
        started = time.monotonic()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            published = pool.submit(publish_many, redis.url, bound_to)
            during = ask_while(server, lambda _: not published.done())
            published.result()
        ended = time.monotonic()
        last = until_resident(server, ended, 10 + MANY)
        what = f"{MANY:,} vectors published in turn"
        FIGURES[what] = f"{ended - started:.1f} s; the last is resident {last:.1f} s later"
        FIGURES["... a steered request of one token, before"] = percentiles(before)
        FIGURES["... a steered request of one token, meanwhile"] = percentiles(during)
    finally:
        assert server.stop() == []


def publish_many(url: str, bound_to: str) -> None:
    asyncio.run(publish_all(url, bound_to, first=10, count=MANY))


def begin(model: Path, data_dir: Path, log: Path, redis: RedisServer, *more: str) -> Server:
    return start(model, data_dir, log, "--redis-url", redis.url, *more)


def timed_start(model: Path, data_dir: Path, log: Path, redis: RedisServer) -> float:
    started = time.monotonic()
    server = begin(model, data_dir, log, redis)
    seconds = time.monotonic() - started
    assert server.stop() == []
    return seconds


def command(*args: str) -> float:
    started = time.perf_counter()
    subprocess.run([STEERSMAN, *args], check=True, capture_output=True)
    return time.perf_counter() - started


async def publish_all(
    url: str, bound_to: str, *, first: int = 0, count: int = TENANTS * PER_TENANT
) -> list[float]:
    rng, took = np.random.default_rng(0), []
    async with RegistryStore(url) as store:
        for k in range(first, first + count):
            name = f"tenant{k // PER_TENANT:04}.v{k % PER_TENANT}"
            vector = drawn(rng, name)
            started = time.perf_counter()
            await store.publish(vector, name=name, fingerprint=bound_to, actor="bench")
            took.append(time.perf_counter() - started)
            if k % 500 == 0:
                print(f"\rpublished {k} of {count}", end="", file=sys.stderr, flush=True)
    return took


async def changes(url: str, bound_to: str, reports: Path, *, kind: str, count: int) -> list[float]:
    """Returns seconds from before the change until every process's report has its revision."""
    rng, took = np.random.default_rng(int(time.time())), []
    async with RegistryStore(url) as store:
        for k in range(count):
            vector = drawn(rng, "new")
            await asyncio.sleep(0.05)
            started = time.perf_counter()
            if kind == "publish":
                await store.publish(vector, name=f"new{k}", fingerprint=bound_to, actor="bench")
            else:
                await store.promote(
                    "tenant0000.v0", 1, f"alias{k}", fingerprint=bound_to, actor="bench"
                )
            revision = await store.revision()
            while min(revisions(reports)) < revision:
                await asyncio.sleep(0.0005)
                assert time.perf_counter() - started < 60
            took.append(time.perf_counter() - started)
    return took


def revisions(reports: Path) -> list[int]:
    found = []
    for path in reports.glob("*.json"):
        try:
            report = json.loads(path.read_text())
        except (OSError, ValueError):
            return [-1]
        if psutil.pid_exists(report["pid"]):
            found.append(report["revision"])
    return found


def until_resident(server: Server, before: float, count: int) -> float:
    while True:
        workers = server.get("/v1/steering/health")["workers"]
        if all(len(worker["resident"]) >= count for worker in workers):
            return time.monotonic() - before
        time.sleep(0.1)


def memory(server: Server) -> None:
    api = psutil.Process(server.process.pid)
    FIGURES["memory of the API process, of its own"] = (
        f"{api.memory_full_info().uss / 2**20:.0f} MiB"
    )
    engine = max(api.children(recursive=True), key=lambda child: child.memory_info().rss)
    FIGURES["memory of the engine process, of its own"] = (
        f"{engine.memory_full_info().uss / 2**20:.0f} MiB"
    )


def ask(server: Server, count: int) -> list[float]:
    return ask_while(server, lambda k: k < count)


def ask_while(server: Server, more: Callable[[int], bool]) -> list[float]:
    took: list[float] = []
    with httpx.Client(base_url=server.url, timeout=60) as client:
        name = client.get("/v1/models").json()["data"][0]["id"]
        while more(len(took)):
            body = {
                "model": name, "messages": [QUESTION], "max_tokens": 1, "temperature": 0,
                "steering": {"vectors": {f"tenant0000.v{len(took) % 10}": 0.5}},
            }  # fmt: skip
            started = time.perf_counter()
            client.post("/v1/chat/completions", json=body).raise_for_status()
            took.append(time.perf_counter() - started)
    return took


class slow:  # noqa: N801
    """Within this context every command that reaches Redis waits."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis, self.over = redis, threading.Event()
        self.thread = threading.Thread(target=self._sleep_on)

    def _sleep_on(self) -> None:
        with redis_client.Redis.from_url(self.redis.url) as client:
            while not self.over.is_set():
                client.execute_command("DEBUG", "SLEEP", "0.2")

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self.over.set()
        self.thread.join()


def wait_healthy(server: Server) -> None:
    deadline = time.monotonic() + 60
    while server.get("/v1/steering/health")["status"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.1)
