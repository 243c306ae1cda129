"""What the server adds to a request over plain `vllm serve`, side by side; and how fast flags flip.

`make bench-server`; some ten minutes. Writes `docs/benchmarks/server.json` and `.md`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from steersman_server.control.flags import set_flag
from steersman_server.control.policies import set_policy
from steersman_server.control.tenants import create_key, create_tenant
from steersman_server.intent.load import DEMO
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.vector import from_differences
from tests.bench.pages import machine, write
from tests.bench.test_registry import percentiles
from tests.e2e.conftest import ENVIRONMENT, START_S, Server, free_port, start
from tests.redis_server import RedisServer, redis_server
from tests.tiny_model import HIDDEN, build_tiny_llama

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3000)]

CONCURRENT, CHARS, ROUNDS = 50, 300, 5
LOADS = {
    "1 token, each client pausing about a second": (1, 400, 1000),
    "64 tokens, one request after the other": (64, 250, 0),
    "8 tokens, one request after the other": (8, 500, 0),
}
"""Tokens of a request, requests of a round, mean pause in ms."""
MANY = ("--max-num-seqs", "64")
FLIPS = 100
AIM_P50_MS, AIM_P99_MS = 1.0, 3.0
RULES = [
    {"name": "gold", "when": {"metadata": {"plan": "gold"}}, "steer": False},
    {"name": "billing", "when": {"intent": "billing", "min_score": 0.5},
     "steer": {"vectors": {"empathy": 0.5}}},
    {"name": "others", "steer": {"vectors": {"empathy": 0.25}}},
]  # fmt: skip
UNSTEERED_RULES = [{**rule, "steer": False} for rule in RULES]
"""The same questions, answered by no steering: admission alone, without the engine's part."""
STOCK = "plain vLLM"
FIGURES: dict[str, Any] = {}
ROWS: list[dict[str, Any]] = []


@dataclass(frozen=True)
class Target:
    """A server, and the key of the tenant whose requests are sent."""

    name: str
    server: Server
    model: str
    key: str


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def redis(tmp_path_factory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def keys(redis, model) -> dict[str, str]:
    return asyncio.run(configure(redis.url, fingerprint(model).digest))


@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[None]:
    yield
    write("server", {"machine": machine(), "rows": ROWS, "figures": FIGURES}, text())


def test_admission_beside_plain_vllm(model, redis, keys, tmp_path):
    """Both servers run all the time; one is loaded after the other, and the order changes."""
    stock = start_stock(model, tmp_path / "stock.log")
    ours = start(model, tmp_path / "data", tmp_path / "log", "--redis-url", redis.url,
                 "--intents", str(DEMO), *MANY, compiled=True)  # fmt: skip
    try:
        targets = [
            Target(STOCK, stock, str(model), "none"),
            Target("Steersman, unsteered tenant", ours, str(model), keys["plain"]),
            Target("Steersman, policy and intent, unsteered", ours, str(model), keys["decided"]),
            Target("Steersman, policy and intent, steered", ours, str(model), keys["steered"]),
        ]
        for target in targets:
            load(target, next(iter(LOADS)))
        for k in range(ROUNDS):
            for kind in LOADS:
                for target in targets if k % 2 == 0 else targets[::-1]:
                    row = {"round": k, "load": kind, "target": target.name}
                    ROWS.append({**row, **load(target, kind)})
            print(f"\rround {k + 1} of {ROUNDS}", end="", file=sys.stderr, flush=True)
    finally:
        stock.stop()
        assert ours.stop() == []


def test_flips_in_two_processes(model, redis, keys, tmp_path):
    """From before `flags set` until every process answers by it."""
    server = start(model, tmp_path / "data", tmp_path / "log", "--redis-url", redis.url,
                   "--api-server-count", "2")  # fmt: skip
    try:
        took = asyncio.run(flip(server, redis.url, keys["steered"]))
        FIGURES[f"{FLIPS} flips of the flag `steering`, in force in both of 2 processes"] = (
            percentiles(took)
        )
    finally:
        assert server.stop() == []


async def configure(url: str, bound_to: str) -> dict[str, str]:
    rng = np.random.default_rng(0)
    vector = from_differences({1: rng.normal(size=HIDDEN), 2: rng.normal(size=HIDDEN)},
                              name="empathy", scale="unit", alpha_max=4.0)  # fmt: skip
    made = {}
    async with RegistryStore(url) as store:
        await store.publish(vector, name="empathy", fingerprint=bound_to, actor="bench")
        for name in ("plain", "decided", "steered", *(f"tenant{k}" for k in range(200))):
            await create_tenant(store, name, {"vectors": ["empathy"]}, actor="bench")
        await set_policy(store, "steered", {"rules": RULES}, actor="bench")
        await set_policy(store, "decided", {"rules": UNSTEERED_RULES}, actor="bench")
        for name in ("plain", "decided", "steered"):
            made[name] = (await create_key(store, tenant=name, actor="bench")).secret
    return made


def start_stock(model: Path, log: Path) -> Server:
    port = free_port()
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model),
        "--host", "127.0.0.1", "--port", str(port),
        "--dtype", "float32", "--max-model-len", "512", *MANY,
    ]  # fmt: skip
    environment = {**ENVIRONMENT, "VLLM_PLUGINS": ""}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url + "/health", timeout=5).status_code == 200:
                return Server(process, url, log.parent, model, log)
        except httpx.TransportError:
            time.sleep(0.3)
    process.kill()
    pytest.fail(f"vllm serve did not start:\n{log.read_text()[-4000:]}")


def load(target: Target, kind: str) -> dict[str, float]:
    max_tokens, requests, pause_ms = LOADS[kind]
    numbers = [str(n) for n in (CONCURRENT, requests, max_tokens, CHARS, pause_ms)]
    api = psutil.Process(target.server.process.pid)
    before = sum(api.cpu_times()[:2])
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", target.server.url, target.model, target.key,
         *numbers],
        capture_output=True, text=True, timeout=600, check=True, env=dict(os.environ),
    )  # fmt: skip
    cpu_ms = (sum(api.cpu_times()[:2]) - before) / requests * 1e3
    told = json.loads(done.stdout)
    p50, p99 = np.percentile(np.array(told["requests_s"]) * 1e3, (50, 99))
    return {"p50_ms": float(p50), "p99_ms": float(p99), "per_s": requests / told["all_s"],
            "cpu_ms": cpu_ms}  # fmt: skip


async def flip(server: Server, url: str, key: str) -> list[float]:
    """Each process is asked over connections of its own until all answer by the flag."""
    took = []
    body = {"model": str(server.model), "max_tokens": 1, "messages": [
        {"role": "user", "content": "hello"}]}  # fmt: skip
    headers = {"authorization": f"Bearer {key}"}
    connections = [httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30)
                   for _ in range(16)]  # fmt: skip

    async def until(http: httpx.AsyncClient, reason: str) -> None:
        while True:
            reply = await http.post("/v1/chat/completions", json=body)
            if reply.raise_for_status().headers["x-steering-reason"] == reason:
                return

    async with RegistryStore(url) as store:
        for k in range(FLIPS):
            variant, reason = ("off", "flag_off") if k % 2 == 0 else ("on", "policy:others")
            started = time.perf_counter()
            await set_flag(store, "steering", variant, actor="bench")
            await asyncio.gather(*(until(http, reason) for http in connections))
            took.append(time.perf_counter() - started)
    for http in connections:
        await http.aclose()
    return took


def text() -> str:
    """Returns the page."""
    out = [
        "# The server beside plain vLLM",
        "",
        f"{machine()}. A random Llama of 4 layers of {HIDDEN}, small enough that the server is",
        f"what takes time; {CONCURRENT} clients, prompts of {CHARS} characters, {ROUNDS} rounds.",
        "Both servers run all the time and are loaded in turn, the order reversed every other",
        "round; the client runs on the same two cores. `added` is the difference to plain vLLM in",
        "the same round: the median over the rounds, and the quartiles. 202 tenants. `CPU` is what",
        "the API process spends on a request, all that vLLM does there included.",
        f"Aims: {AIM_P50_MS:g} ms added at p50, {AIM_P99_MS:g} ms at p99. Where both cores are",
        f"busy a request waits for {CONCURRENT - 1} others, and so for what admission costs them",
        "too; where quartiles are wider than the aim, waiting times cannot tell what is added.",
        "Made by `make bench-server`.",
        "",
    ]
    for kind in dict.fromkeys(row["load"] for row in ROWS):
        out += [f"## {kind}", "",
                "| | p50 ms | added | p99 ms | added | CPU ms | added | requests/s |",
                "|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
        names = dict.fromkeys(row["target"] for row in ROWS)
        out += [_row(kind, name) for name in sorted(names, key=lambda name: name != STOCK)] + [""]
    return "\n".join([*out, *(f"- {what}: {value}" for what, value in FIGURES.items())]) + "\n"


def _row(kind: str, name: str) -> str:
    def of(target: str, what: str) -> np.ndarray:
        return np.array(
            [row[what] for row in ROWS if (row["load"], row["target"]) == (kind, target)]
        )

    cells = []
    for what in ("p50_ms", "p99_ms", "cpu_ms"):
        low, middle, high = np.percentile(of(name, what) - of(STOCK, what), (25, 50, 75))
        added = "" if name == STOCK else f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"
        cells += [f"{np.median(of(name, what)):.{2 if what == 'cpu_ms' else 1}f}", added]
    return f"| {name} | {' | '.join(cells)} | {np.median(of(name, 'per_s')):.0f} |"
