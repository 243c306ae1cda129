"""Automatic back-off on a live server: a tenant whose steered answers are all degenerate."""

from __future__ import annotations

import pytest

from tests.e2e.tenants import TenantServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

POLICY = {"max_degenerate_rate": 0.05, "min_answers": 5, "cooldown_s": 0.0}
DEFAULT = {"vectors": {"empathy@2": 0.8}}


@pytest.fixture
def tenants(tenant_server: TenantServer):
    """One that asked for back-offs, one that did not; the tiny model answers with word salad."""
    for name, more in (("watched", {"backoff": POLICY}), ("unwatched", {})):
        tenant_server.admin(
            "POST", "/tenants",
            json={"name": name, "vectors": ["empathy"], "default": DEFAULT, **more},
        )  # fmt: skip
        tenant_server.keys[name] = tenant_server.make_key(tenant=name, label="e2e")["key"]
    yield
    for name in ("watched", "unwatched"):
        tenant_server.admin("DELETE", f"/tenants/{name}")


def steering(server: TenantServer, who: str) -> dict:
    reply = server.chat(who, max_tokens=24, ignore_eos=True)
    return reply.raise_for_status().json()["steering"]


def test_what_goes_wrong_is_scaled_down_then_off_and_only_an_operator_restores_it(
    tenant_server, tenants
):
    scales: list[float] = []

    def off() -> bool:
        for _ in range(8):
            now = steering(tenant_server, "watched").get("backed_off", 1.0)
            if now not in scales:
                scales.append(now)
        return tenant_server.admin("GET", "/backoff/watched")["scale"] == 0.0

    wait_until(off, 240)
    wait_until(lambda: steering(tenant_server, "watched")["reason"] == "backed_off")
    assert scales == sorted(scales, reverse=True)
    assert set(scales) <= {1.0, 0.5, 0.25, 0.0}
    assert "backed_off" not in steering(tenant_server, "unwatched")
    audit = tenant_server.admin("GET", "/audit?limit=1000")["changes"]
    steps = [entry for entry in audit if "back-off" in entry["actor"]]
    assert len(steps) == 3
    cleared = tenant_server.admin("DELETE", "/backoff/watched")
    assert cleared["changed"]
    tenant_server.admin("PATCH", "/tenants/watched", json={"backoff": None})
    assert steering(tenant_server, "watched")["applied"][0]["alpha"] == 0.8
    counted = [
        line
        for line in tenant_server.request("viewer", "GET", "/metrics").text.splitlines()
        if line.startswith("steering_backoffs_total{") and 'tenant="watched"' in line
    ]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) == 3
