"""What operators do over HTTP, end to end but for the engine."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from steersman_server.control import backoff, policies, policy_routes, tenants
from steersman_server.control.documents import read
from steersman_server.kill_file import KillFile
from steersman_server.tenants.backoff import BackedOff
from steersman_server.tenants.keys import hash_key
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import redis_server
from tests.unit.server.control.admin_server import admin_server, furnish

API = "/admin/v1"
GATE = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
RULE = {"name": "billing", "when": {"intent": "billing"}, "steer": {"vectors": {"empathy": 0.25}}}


@pytest.fixture(scope="module")
def http(admin):
    with admin.http() as client:
        yield client


def done(reply) -> dict:
    assert reply.is_success, reply.text
    return reply.json()


def refused(reply) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/json"
    return reply.status_code, reply.json()["error"]["code"]


def test_a_tenants_life(http):
    body = {"name": "globex", "vectors": ["empathy", "later"], "dose_cap": 2}
    created = http.post(f"{API}/tenants", json=body)
    assert (created.status_code, created.json()["changed"]) == (201, True)
    assert created.json()["warnings"] == ["no vector 'later' is registered yet"]
    assert refused(http.post(f"{API}/tenants", json=body)) == (409, "already_exists")
    assert refused(http.post(f"{API}/tenants", json={"name": "local"})) == (400, "invalid_name")
    changed = http.patch(f"{API}/tenants/globex", json={"alpha_caps": {"empathy": 1}})
    assert done(changed)["revision"] > created.json()["revision"]
    assert done(http.patch(f"{API}/tenants/globex", json={}))["changed"] is False
    shown = done(http.get(f"{API}/tenants/globex"))
    assert (shown["dose_cap"], shown["alpha_caps"], shown["vectors"]) == (
        2.0, {"empathy": 1.0}, ["empathy", "later"],
    )  # fmt: skip
    default = {"default": {"vectors": {"empathy": 1.5}}}  # over its cap
    assert refused(http.patch(f"{API}/tenants/globex", json=default)) == (400, "invalid_tenant")
    assert "globex" in [t["name"] for t in done(http.get(f"{API}/tenants"))["tenants"]]
    assert done(http.delete(f"{API}/tenants/globex"))["changed"] is True
    assert refused(http.get(f"{API}/tenants/globex")) == (404, "not_found")


def test_what_is_left_of_a_tenant_is_told(http):
    steer = {"steer": {"vectors": {"empathy": 0.1}}}
    http.post(f"{API}/tenants", json={"name": "brief", "vectors": ["empathy"]})
    http.put(f"{API}/policies/brief", json={"rules": [RULE]})
    http.put(f"{API}/profiles/shared", json={**steer, "tenants": ["acme", "brief"]})
    http.post(f"{API}/flags/steering-override/set", json={"variant": "on", "tenant": "brief"})
    key = http.post(f"{API}/keys", json={"tenant": "brief"}).json()
    (warning,) = done(http.delete(f"{API}/tenants/brief"))["warnings"]
    assert "'shared' still names tenant 'brief'" in warning
    assert done(http.post(f"{API}/tenants", json={"name": "brief"}))["changed"]
    shown = done(http.get(f"{API}/tenants/brief"))
    assert (shown["keys"], shown["rules"], shown["flags"]) == ([], [], {})
    assert key["id"] not in [known["id"] for known in done(http.get(f"{API}/keys"))["keys"]]


def test_a_keys_life(http, admin):
    made = http.post(f"{API}/keys", json={"tenant": "acme", "label": "prod"})
    assert made.status_code == 201
    key = made.json()
    assert key["key"].startswith(key["prefix"] + "")
    listed = done(http.get(f"{API}/keys", params={"tenant": "acme"}))["keys"]
    (mine,) = (k for k in listed if k["id"] == key["id"])
    assert (mine["state"], mine["label"], mine["role"]) == ("active", "prod", None)
    assert done(http.delete(f"{API}/keys/{key['id']}"))["changed"] is True
    assert done(http.delete(f"{API}/keys/{key['id']}"))["changed"] is False
    listed = done(http.get(f"{API}/keys"))["keys"]
    assert [k["state"] for k in listed if k["id"] == key["id"]] == ["revoked"]
    for body in ({}, {"tenant": "acme", "role": "viewer"}):
        assert refused(http.post(f"{API}/keys", json=body)) == (400, "invalid_key")
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    expired = http.post(f"{API}/keys", json={"role": "viewer", "expires_at": past})
    assert refused(expired) == (400, "invalid_key")
    naive = http.post(f"{API}/keys", json={"role": "viewer", "expires_at": "2040-01-01T00:00:00"})
    assert refused(naive) == (400, "invalid_request")
    assert refused(http.get(f"{API}/keys", params={"tenant": "nobody"})) == (404, "not_found")
    wrong = http.delete(f"{API}/keys/{key['key']}")
    assert refused(wrong) == (400, "invalid_request")
    every = wrong.text + json.dumps(listed) + http.get(f"{API}/audit?limit=1000").text
    every += http.get(f"{API}/log?limit=1000").text
    every += http.get(f"{API}/audit/configuration?revision={mine_revision(http)}").text
    secret = key["key"].split("_", 2)[2]
    assert secret not in every
    assert 'sha256":' not in every.replace("\\", "")


def mine_revision(http) -> int:
    return done(http.get(f"{API}/tenants"))["revision"]


async def test_a_new_key_never_takes_anothers_place(admin, monkeypatch):
    real, taken = tenants.make_key, admin.keys["acme"].split("_")[1]
    drawn = iter([taken, taken])

    def make(**fields):
        made = real(**fields)
        return replace(made, id=next(drawn, made.id))

    monkeypatch.setattr(tenants, "make_key", make)
    async with RegistryStore(admin.redis.url) as store:
        made = await tenants.create_key(store, role="viewer", actor="test")
        keys = (await read(store)).keys
    assert made.id != taken
    assert hash_key(admin.keys["acme"]) in keys
    assert hash_key(made.secret) in keys


def test_flags(http):
    assert done(http.put(f"{API}/flags/tone", json=tone()))["changed"]
    assert done(http.put(f"{API}/flags/tone", json=tone()))["changed"] is False
    shown = done(http.get(f"{API}/flags/tone"))
    assert (shown["variants"], shown["defaultVariant"]) == ({"soft": 0.1, "firm": 0.4}, "soft")
    assert done(http.post(f"{API}/flags/tone/set", json={"variant": "firm", "tenant": "acme"}))
    explained = done(http.get(f"{API}/flags/tone/explain", params={"tenant": "acme"}))
    assert (explained["variant"], explained["value"], explained["reason"]) == (
        "firm", 0.4, "override",
    )  # fmt: skip
    assert explained["steps"][-1]["what"] == "result"
    assert done(http.get(f"{API}/tenants/acme"))["flags"]["tone"] == "firm"
    assert done(http.post(f"{API}/flags/tone/unset", json={"tenant": "acme"}))["changed"]
    weights = {"weights": {"soft": 50, "firm": 50}, "tenants": ["acme"]}
    assert done(http.post(f"{API}/flags/tone/rollout", json=weights))["changed"]
    buckets = {
        done(http.get(f"{API}/flags/tone/explain?tenant=acme&user=u{i}"))["variant"]
        for i in range(12)
    }
    assert buckets == {"soft", "firm"}
    file = done(http.get(f"{API}/flags.json"))
    assert file["flags"]["tone"]["targeting"]
    assert done(http.post(f"{API}/flags", json={"flags": {"tone": file["flags"]["tone"]}}))
    assert done(http.delete(f"{API}/flags/tone"))["changed"]
    for reply, expected in {
        http.get(f"{API}/flags/tone"): (404, "not_found"),
        http.post(f"{API}/flags/steering/set", json={"variant": "maybe"}): (
            400, "variant_not_found",
        ),
        http.post(f"{API}/flags/steering/set", json={"variant": "on", "tenant": "no"}): (
            404, "not_found",
        ),
        http.post(f"{API}/flags", content=b'{"flags": {"a": 1, "a": 2}}'): (
            400, "invalid_flag_file",
        ),
        http.put(f"{API}/flags/steering", json=tone()): (400, "invalid_flag"),
        http.get(f"{API}/flags/A"): (400, "invalid_request"),
    }.items():  # fmt: skip
        assert refused(reply) == expected


def test_a_flag_defined_anew_tells_what_it_breaks(http):
    assert done(http.put(f"{API}/flags/dial", json=tone()))["warnings"] == []
    rule = {"name": "dialled", "steer": {"vectors": {"empathy": {"flag": "dial"}}}}
    assert done(http.put(f"{API}/policies/hooli", json={"rules": [rule]}))["changed"]
    try:
        much = {**tone(), "variants": {"soft": 0.1, "firm": 0.9}}
        (told,) = done(http.put(f"{API}/flags/dial", json=much))["warnings"]
        assert told.startswith("tenant 'hooli', rule 'dialled': alpha 0.9")
        word = {**tone(), "variants": {"soft": "huge"}}
        (told,) = done(http.post(f"{API}/flags", json={"flags": {"dial": word}}))["warnings"]
        assert "no preset 'huge'" in told
    finally:
        http.delete(f"{API}/policies/hooli")
        http.delete(f"{API}/flags/dial")


def tone() -> dict:
    return {"state": "ENABLED", "variants": {"soft": 0.1, "firm": 0.4}, "defaultVariant": "soft"}


def test_policies_and_profiles(http):
    wrong = {"rules": [{**RULE, "steer": {"vectors": {"concise": 9}}}]}
    checked = done(http.post(f"{API}/policies/hooli/check", json=wrong))
    assert checked["ok"] is False
    assert "may not use vector 'concise'" in checked["problems"][0]
    assert refused(http.put(f"{API}/policies/hooli", json=wrong)) == (400, "invalid_policy")
    assert done(http.post(f"{API}/policies/hooli/check", json={"rules": [RULE]}))["ok"]
    assert done(http.put(f"{API}/policies/hooli", json={"rules": [RULE]}))["changed"]
    assert done(http.get(f"{API}/policies/hooli"))["rules"][0]["name"] == "billing"
    assert {p["tenant"] for p in done(http.get(f"{API}/policies"))["policies"]} >= {"hooli"}
    assert done(http.delete(f"{API}/policies/hooli"))["changed"]
    assert refused(http.get(f"{API}/policies/hooli")) == (404, "not_found")
    steer = {"steer": {"vectors": {"empathy": 0.75}}, "tenants": ["acme"]}
    (warning,) = done(http.put(f"{API}/profiles/warm", json=steer))["warnings"]
    assert "cap" in warning
    assert done(http.get(f"{API}/profiles/warm"))["steer"]["vectors"] == {"empathy": 0.75}
    assert "warm" in [p["name"] for p in done(http.get(f"{API}/profiles"))["profiles"]]
    assert done(http.delete(f"{API}/profiles/warm"))["changed"]
    bad = {"steer": {"vectors": {"nobody": 1}}}
    assert refused(http.put(f"{API}/profiles/warm", json=bad)) == (400, "invalid_profile")


def test_a_check_leaves_the_event_loop_free(http, monkeypatch):
    threads = []

    def problems(*_):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        threads.append(1)
        return []

    for module in (policy_routes, policies):
        monkeypatch.setattr(module, "policy_problems", problems)
    assert done(http.post(f"{API}/policies/hooli/check", json={"rules": [RULE]}))["ok"]
    assert threads == [1]
    assert done(http.put(f"{API}/policies/hooli", json={"rules": [RULE]}))["changed"]
    assert threads == [1, 1]
    http.delete(f"{API}/policies/hooli")


def test_explain(http):
    said = done(http.post(f"{API}/explain", json={"tenant": "acme", "text": "Where is it?"}))
    assert said["decision"]["reason"] == "policy:always"
    assert [layer["layer_idx"] for layer in said["dose_per_layer"]] == [1, 2]
    assert {"tenant", "kill switch", "dose"} <= {step["step"] for step in said["steps"]}
    own = {"tenant": "acme", "steering": {"vectors": {"empathy": 0.1}}}
    assert done(http.post(f"{API}/explain", json=own))["refusal"]["code"] == "steering_not_allowed"
    assert refused(http.post(f"{API}/explain", json={"tenant": "no"})) == (404, "not_found")
    unknown = http.post(f"{API}/explain", json={"tenannt": "acme"})
    assert refused(unknown) == (400, "unknown_key")
    assert "expected: tenant, text" in unknown.json()["error"]["message"]


def test_the_audit(http):
    start = datetime.now(UTC)
    http.post(f"{API}/flags/vector.empathy/set", json={"variant": "off"})
    http.post(f"{API}/flags/vector.empathy/set", json={"variant": "on"})
    found = done(http.get(f"{API}/audit", params={"kind": "flag", "since": start.isoformat()}))
    assert [c["subject"] for c in found["changes"]] == ["flag/vector.empathy"] * 2
    on, off = (c["after"]["definition"]["defaultVariant"] for c in found["changes"])
    assert (on, off) == ("on", "off")
    assert found["changes"][0]["actor"].startswith("operator (key ")
    lines = http.get(f"{API}/audit", params={"format": "jsonl", "limit": 2})
    assert lines.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == found["changes"]
    newest = found["changes"][0]["revision"]
    then = done(http.get(f"{API}/audit/configuration", params={"revision": newest - 1}))
    assert then["flag"]["vector.empathy"]["definition"]["defaultVariant"] == "off"
    assert then["vectors"][0]["name"] == "concise"
    late = http.get(f"{API}/audit/configuration", params={"revision": newest + 100})
    assert refused(late) == (404, "revision_not_found")
    unknown = http.get(f"{API}/audit", params={"subjekt": "acme"})
    assert refused(unknown) == (400, "unknown_parameter")
    naive = http.get(f"{API}/audit", params={"since": "2030-01-01T00:00:00"})
    assert refused(naive) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        (b"", None, "missing"),
        (b"{", "application/json", "no JSON"),
        (b"\xff", "application/json", "UTF-8"),
        (b"[" * 100_000, "application/json", "cannot be read"),
        (b'{"name": "x"}', "text/plain", "application/json"),
        (b'{"name": "x", "vektors": []}', "application/json", "unknown key 'vektors'"),
        (b'{"vectors": []}', "application/json", "'name' is missing"),
        (b'{"name": "X y"}', "application/json", "got 'X y'"),
        (b'{"name": "x", "dose_cap": NaN}', "application/json", "got 'nan'"),
        (b'{"name": "x", "dose_cap": 1e999}', "application/json", "got 'inf'"),
        (b'{"name": "\\ud800"}', "application/json", "name"),
        (b'"' + b"a" * 100_000 + b'"', "application/json", "invalid body"),
    ],
)
def test_bodies_that_are_none(http, content, content_type, says):
    headers = {} if content_type is None else {"content-type": content_type}
    reply = http.post(f"{API}/tenants", content=content, headers=headers)
    assert reply.status_code == 400
    assert says in reply.json()["error"]["message"]
    assert len(reply.text) < 1000


def test_the_kill_switch_also_without_redis(http, admin):
    def state() -> tuple:
        shown = done(http.get(f"{API}/kill-switch"))
        return shown["on"], shown["registry"], shown["file"]

    assert state() == (False, None, None)
    pulled = done(http.post(f"{API}/kill-switch", json={"on": True, "reason": "incident"}))
    assert (pulled["file"], pulled["changed"], pulled["warnings"]) == (False, True, [])
    assert state() == (True, "incident", None)
    assert done(http.post(f"{API}/kill-switch", json={"on": False}))["changed"]
    assert state() == (False, None, None)
    time.sleep(0.5)  # this server has heard
    admin.redis.freeze()
    try:
        started = time.monotonic()
        pulled = done(http.post(f"{API}/kill-switch", json={"on": True, "reason": "no redis"}))
        assert time.monotonic() - started < 5
        assert (pulled["file"], pulled["revision"]) == (True, None)
        assert str(admin.data_dir / "kill-switch") in pulled["warnings"][0]
        assert (admin.data_dir / "kill-switch").read_text() == "no redis"
        started = time.monotonic()
        assert state() == (True, None, "no redis")
        assert time.monotonic() - started < 5
    finally:
        admin.redis.thaw()
    admin.redis.kill()
    try:
        assert state() == (True, None, "no redis")
        back = done(http.post(f"{API}/kill-switch", json={"on": False}))
        assert (back["file"], len(back["warnings"])) == (True, 1)
        assert state() == (False, None, None)
        assert refused(http.post(f"{API}/tenants", json={"name": "late"})) == (
            503, "registry_unavailable",
        )  # fmt: skip
        assert done(http.get(f"{API}/tenants"))["tenants"]  # as this server last saw it
    finally:
        admin.redis.start()


async def test_back_offs(http, admin):
    policy = {"backoff": {"max_degenerate_rate": 0.05}}
    assert done(http.patch(f"{API}/tenants/acme", json=policy))["changed"]
    assert done(http.get(f"{API}/backoff/acme"))["scale"] == 1.0
    step = BackedOff(
        scale=0.0, since=datetime.now(UTC), answers=40, degenerate=9, window_s=600.0,
        max_degenerate_rate=0.05,
    )  # fmt: skip
    async with RegistryStore(admin.redis.url) as store:
        assert await backoff.back_off(store, "acme", step, expected_scale=1.0, actor="a server")
    shown = done(http.get(f"{API}/backoff/acme"))
    assert (shown["scale"], shown["evidence"]["degenerate"]) == (0.0, 9)
    assert done(http.get(f"{API}/backoff"))["backoffs"] == [shown]
    assert done(http.get(f"{API}/tenants/acme"))["backed_off"]["scale"] == 0.0
    explained = until(http, lambda said: said["decision"]["reason"] == "backed_off")
    assert explained["decision"]["backed_off"] == 0.0
    assert done(http.delete(f"{API}/backoff/acme"))["changed"]
    assert done(http.delete(f"{API}/backoff/acme"))["changed"] is False
    until(http, lambda said: said["decision"]["reason"] == "policy:always")
    assert refused(http.get(f"{API}/backoff/nobody")) == (404, "not_found")
    assert done(http.patch(f"{API}/tenants/acme", json={"backoff": None}))["changed"]
    wrong = {"backoff": {"max_degenerate_rate": 2}}
    assert refused(http.patch(f"{API}/tenants/acme", json=wrong)) == (400, "invalid_request")


def test_a_step_of_this_process_is_in_force_before_the_registry_has_it(http, admin):
    service = admin.app.state.steering
    step = BackedOff(
        scale=0.5, since=datetime.now(UTC), answers=40, degenerate=9, window_s=600.0,
        max_degenerate_rate=0.05,
    )  # fmt: skip
    service.backoff.backoffs = {"acme": step}
    try:
        said = done(http.post(f"{API}/explain", json={"tenant": "acme"}))
        assert said["decision"]["backed_off"] == 0.5
        assert said["decision"]["applied"][0]["alpha"] == 0.125
    finally:
        service.backoff.backoffs = {}


def until(http, holds) -> dict:
    """Returns what `explain` says of acme once it is so on the running server."""
    deadline = time.monotonic() + 30
    while not holds(said := done(http.post(f"{API}/explain", json={"tenant": "acme"}))):
        assert time.monotonic() < deadline, said
        time.sleep(0.02)
    return said


def test_after_a_wipe_no_other_history_is_told(tmp_path):
    """The file's switch is told all the same."""
    with (
        redis_server(tmp_path / "redis") as wiped,
        admin_server(wiped, tmp_path / "data") as admin,
        admin.http("root") as http,
    ):
        done(http.get(f"{API}/audit"))
        wiped.wipe()
        asyncio.run(furnish(wiped.url))
        for path in ("audit", "audit?format=jsonl", "audit/configuration?revision=3", "log"):
            assert refused(http.get(f"{API}/{path}")) == (503, "registry_rolled_back")
        KillFile(admin.data_dir).set("wiped")
        shown = done(http.get(f"{API}/kill-switch"))
    assert (shown["on"], shown["registry"], shown["file"]) == (True, None, "wiped")
    assert "does not contain" in shown["warnings"][0]
