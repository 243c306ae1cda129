"""`steersman top` over a real server that serves real requests meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from steersman_server.top.sample import read_series
from tests.e2e.conftest import ENVIRONMENT, STEERSMAN, free_port, run
from tests.e2e.test_openai_client import chat

pytestmark = pytest.mark.e2e


def test_the_tenant_and_its_vector_are_shown(server):
    command = [STEERSMAN, "top", "--url", server.url, "--json", "--interval", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
    try:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        for _ in range(3):
            assert chat(server, {"vectors": {"empathy": 0.5}}).steering["applied"]
        chat(server, False)
        # However slow it goes: until the intervals have all of them.
        decided = applied = 0
        while decided < 4:
            frame = json.loads(process.stdout.readline())
            tenant = next((t for t in frame["tenants"] if t["name"] == "local"), None)
            vector = next((v for v in frame["vectors"] if v["name"] == "empathy"), None)
            if tenant is not None:
                decided += round(tenant["requests_per_s"] * frame["seconds"])
            if vector is not None:
                applied += round(vector["applied_per_s"] * frame["seconds"])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert (decided, applied) == (4, 3)
    assert 0 <= tenant["steered"] < 1
    assert sum(why["share"] for why in tenant["unsteered"]) == pytest.approx(1.0)
    if vector["applied"]:  # else they were more than a minute ago
        assert 0.4 <= vector["alpha_mean"] <= 0.5
    assert frame["load"]["admission_p99_s"] > 0
    assert frame["load"]["generated_per_s"] is not None
    assert frame["load"]["running"] is not None
    assert frame["load"]["kv_cache"] is not None
    health = server.get("/v1/steering/health")
    shown = frame["server"]
    assert shown["fingerprint"] == health["fingerprint"]
    assert shown["revision"] == health["registry"]["revision"]
    assert (shown["killed"], shown["self_test"], shown["stale"]) == (False, True, False)
    assert (shown["processes"], shown["workers"]) == (1, 1)


def test_once_for_people_and_for_programs(server):
    chat(server, {"vectors": {"empathy": 0.5}})
    body = json.loads(run("top", "--url", server.url, "--once", "--json").stdout)
    assert "local" in [t["name"] for t in body["tenants"]]
    assert "empathy" in [v["name"] for v in body["vectors"]]
    shown = run("top", "--url", server.url, "--once").stdout
    assert "local" in shown
    assert "empathy" in shown
    assert "kill switch off" in shown


def test_every_metric_of_the_screen_is_there(server):
    """What the screen reads of vLLM is what this vLLM shows."""
    import httpx

    found = read_series(httpx.get(server.url + "/metrics", timeout=60).text)
    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting",
                 "vllm:generation_tokens_total", "vllm:prompt_tokens_total",
                 "vllm:kv_cache_usage_perc",
                 "vllm:inter_token_latency_seconds_bucket"):  # fmt: skip
        assert found.get(name), name


def test_nobody_there():
    done = run("top", "--once", "--url", f"http://127.0.0.1:{free_port()}", check=False)
    assert done.returncode == 4
    assert "steersman serve" in done.stderr


def test_with_keys(tenant_server):
    """A viewer's key is enough; a tenant's is not, and neither is none."""
    url, key = tenant_server.server.url, tenant_server.keys["viewer"]
    for secret, code in ((key, 0), (None, 3)):
        environment = {k: v for k, v in os.environ.items() if k != "STEERSMAN_ADMIN_KEY"}
        if secret is not None:
            environment["STEERSMAN_ADMIN_KEY"] = secret
        done = subprocess.run(
            [STEERSMAN, "top", "--url", url, "--once", "--json"], env=environment, text=True,
            capture_output=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        if code == 0:
            assert json.loads(done.stdout)["server"]["processes"] == 2
        else:
            assert "STEERSMAN_ADMIN_KEY" in done.stderr
