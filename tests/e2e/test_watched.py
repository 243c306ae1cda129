"""Every query of every dashboard and rule, asked of a Prometheus that watches a loaded server."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import yaml

from deploy.grafana.queries import EVERY, Asked, asked, choices_of, filled
from steersman_vectors.formats import native
from steersman_vectors.vector import from_differences
from tests.e2e.conftest import free_port, run
from tests.e2e.tenants import MESSAGES, TenantServer, wait_until
from tests.tiny_model import HIDDEN
from tests.unit.deploy.promql_names import read

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
BOARDS = [json.loads(p.read_text()) for p in sorted((ROOT / "deploy/grafana/dashboards").glob("*"))]
RULES = ROOT / "deploy/prometheus/rules/steersman.yml"
CHOICES = {**EVERY, "window": "2m", "__range": "5m", "__rate_interval": "30s"}
QUERIES = [query for board in BOARDS for query in asked(board, CHOICES)]
WAIT_S = 240.0

ACCIDENTS = {
    "steering_backoffs_total": "no tenant of this server opted in",
    "steering_quality_pair": "nothing is run a second time there",
    "steering_intents_total": "this server has no classifier",
    "steering_safety_overrides_total": "nor an intent of safety",
}
"""Metrics whose queries may be empty here, and why; they must run without an error all the same."""


@dataclass(frozen=True)
class Prometheus:
    url: str

    def get(self, path: str, **params: str) -> object:
        reply = httpx.get(f"{self.url}/api/v1/{path}", params=params, timeout=30)
        body = reply.json()
        assert body["status"] == "success", (params, body)
        return body["data"]

    def values(self, expr: str) -> list[float]:
        """Returns what an expression gives now; fails where Prometheus refuses it."""
        data = self.get("query", query=expr)
        return [float(one["value"][1]) for one in data["result"]]  # type: ignore[index]


@pytest.fixture(scope="module")
def prometheus(tenant_server: TenantServer, tmp_path_factory) -> Iterator[Prometheus]:
    """Scrapes the server every second, with a viewer's key as deploy/prometheus has it."""
    folder = tmp_path_factory.mktemp("prometheus")
    key = folder / "key"
    key.write_text(tenant_server.keys["viewer"])
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    (job,) = config["scrape_configs"]
    job["authorization"]["credentials_file"] = str(key)
    job["static_configs"] = [{"targets": [tenant_server.server.url.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    running = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: ready(running), 60)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def ready(prometheus: Prometheus) -> bool:
    try:
        return httpx.get(f"{prometheus.url}/-/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def board_tenants(tenant_server: TenantServer, vector_files) -> Iterator[None]:
    """Two tenants in an A/B test, and one whose vector was retired under it."""
    server = tenant_server
    run("vectors", "import", vector_files["empathy"], "--name", "board-gone", "--model",
        server.server.model, "--data-dir", server.server.data_dir)  # fmt: skip
    dose = {"state": "ENABLED", "variants": {"mild": 0.3, "strong": 1.2}, "defaultVariant": "mild",
            "targeting": {"fractional": [["mild", 50], ["strong", 50]]}}  # fmt: skip
    server.admin("PUT", "/flags/board-dose", json=dose)
    tried = {"name": "trial", "steer": {"vectors": {"empathy": {"flag": "board-dose"}}}}
    for name in ("board-a", "board-b"):
        server.admin("POST", "/tenants", json={"name": name, "vectors": ["empathy"]})
        server.keys[name] = server.make_key(tenant=name)["key"]
        server.admin("PUT", f"/policies/{name}", json={"rules": [tried]})
    gone = {"name": "board-c", "vectors": ["board-gone"], "on_unavailable": "base",
            "default": {"vectors": {"board-gone": 0.5}}}  # fmt: skip
    server.admin("POST", "/tenants", json=gone)
    server.keys["board-c"] = server.make_key(tenant="board-c")["key"]
    server.admin("POST", "/retire", json={"vector": "board-gone@1"})
    yield
    for name in ("board-a", "board-b", "board-c"):
        server.admin("DELETE", f"/tenants/{name}")


def one_round(server: TenantServer, number: int) -> None:
    """Sends what makes every figure move: all tenants, doses, variants, refusals, streams."""
    clients = {who: server.client(who) for who in ("board-a", "board-b", "board-c", "free", "acme")}

    def ask(who: str, steering: object = None, **options) -> None:
        clients[who].chat.completions.create(
            model=server.model, messages=MESSAGES, max_tokens=12, temperature=0,
            extra_body={} if steering is None else {"steering": steering}, **options,
        )  # fmt: skip

    for user in range(6):
        ask("board-a", user=f"u{number}-{user}")
        ask("board-b", user=f"v{number}-{user}")
    ask("board-c")
    ask("acme")
    for _ in range(6):  # the baseline that steered answers are held against needs some
        ask("free", False)
    for dial in ("low", 0.7, 1.1):
        ask("free", {"vectors": {"empathy": dial}})
    drawn = np.random.default_rng(number).normal(size=HIDDEN)
    made = native.dumps(from_differences({1: drawn}, name="board-loaded", scale="unit"))
    server.admin("POST", "/import", params={"name": "board-loaded"}, content=made)
    for refused in ({"vectors": {"empathy": 900}}, {"vectors": {"nobodys": 1}}):
        with pytest.raises(openai.APIStatusError):
            ask("free", refused)
    stranger = {"authorization": "Bearer sk-steer-of-nobody"}
    assert httpx.get(f"{server.server.url}/v1/models", headers=stranger).status_code == 401
    for client in clients.values():
        client.close()


def empty(prometheus: Prometheus, queries: list[Asked]) -> list[Asked]:
    """Returns the queries that give nothing, or only what is not a number."""
    return [q for q in queries if not any(math.isfinite(v) for v in prometheus.values(q.expr))]


def excused(query: Asked, metrics: frozenset[str] | dict[str, str]) -> bool:
    return any(name.startswith(one) for name in read(query.expr).metrics for one in metrics)


def test_every_query_returns_data_of_a_loaded_server(
    tenant_server: TenantServer, prometheus: Prometheus, board_tenants: None
) -> None:
    waiting = [q for q in QUERIES if not excused(q, ACCIDENTS)]
    started, number = time.monotonic(), 0
    while waiting and time.monotonic() - started < WAIT_S:
        one_round(tenant_server, number)
        waiting = empty(prometheus, waiting)
        number += 1
    metrics = sorted({m for q in waiting for m in read(q.expr).metrics})
    assert [q.name for q in waiting] == [], metrics
    accidental = [q for q in QUERIES if excused(q, ACCIDENTS)]
    empty(prometheus, accidental)  # they run

    for board in BOARDS:
        for name, series, label in choices_of(board):
            found = prometheus.get(f"label/{label}/values", **{"match[]": filled(series, CHOICES)})
            assert found, (board["uid"], name)


def test_every_rule_runs(
    tenant_server: TenantServer, prometheus: Prometheus, board_tenants: None
) -> None:
    def rules() -> list[dict]:
        groups = prometheus.get("rules")["groups"]  # type: ignore[index]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), 60)
    failed = {rule["name"]: rule["lastError"] for rule in rules() if rule["health"] != "ok"}
    assert failed == {}
    recorded = [rule["name"] for rule in rules() if rule["type"] == "recording"]
    waiting = recorded
    assert waiting
    started = time.monotonic()
    while waiting and time.monotonic() - started < WAIT_S:
        one_round(tenant_server, 1000)
        waiting = [name for name in waiting if not prometheus.values(name)]
    assert waiting == []
