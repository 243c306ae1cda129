"""Two API processes on a Redis of their own, and what becomes of them when it goes away."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable

import httpx
import openai
import pytest

from steersman_server.control.tenants import create_key, create_tenant, delete_tenant
from steersman_vectors.formats import native
from steersman_vectors.registry.store import RegistryStore
from tests.e2e.conftest import run, start
from tests.redis_server import redis_server
from tests.tiny_model import build_tiny_llama

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
WAIT_S = 60.0
PASSWORD = "nobody-must-read-this"
QUESTION = [{"role": "user", "content": "Where is my order?"}]


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis"), password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def vectors(redis, tiny_model, vector_files):
    """Runs `steersman vectors` on the Redis; two versions of `empathy` are there."""

    def command(*args, check=True):
        return run("vectors", *args, "--redis-url", redis.url, check=check)

    for name in ("empathy", "concise"):  # two versions of one name
        command("import", vector_files[name], "--name", "empathy", "--model", tiny_model)
    command("promote", "empathy@1", "prod")
    return command


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory):
    """The next checkpoint of the model: the same in everything but its weights."""
    return build_tiny_llama(tmp_path_factory.mktemp("upgraded") / "tiny-llama", seed=1)


@pytest.fixture(scope="module")
def server(redis, vectors, tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two-processes")
    running = start(
        tiny_model, folder / "data", folder / "server.log", "--redis-url", redis.url,
        "--api-server-count", 2,
    )  # fmt: skip
    yield running
    redis.start() if redis.process is None else redis.thaw()
    assert running.stop(signal.SIGTERM) == [], running.log.read_text()[-3000:]
    assert PASSWORD not in running.log.read_text()


def ask(server, vector: str, alpha: float = 0.5):
    """Returns what was applied; every call is a new connection, and so any of the processes."""
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)
    with client:
        answer = client.chat.completions.create(
            model=client.models.list().data[0].id, messages=QUESTION, max_tokens=2,
            extra_body={"steering": {"vectors": {vector: alpha}}},
        )  # fmt: skip
    (applied,) = answer.model_extra["steering"]["applied"]
    return applied


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes(server) -> list[dict]:
    return server.get("/v1/steering/health")["processes"]


def test_a_change_reaches_every_process(server, vectors):
    assert len(processes(server)) == 2
    assert {ask(server, "empathy@prod")["version"] for _ in range(8)} == {1}
    vectors("promote", "empathy@2", "prod")
    revision = json.loads(vectors("list", "--json").stdout)["revision"]
    until(lambda: {p["revision"] for p in processes(server)} == {revision})
    assert {ask(server, "empathy@prod")["version"] for _ in range(8)} == {2}
    vectors("rollback", "empathy", "prod")
    until(lambda: ask(server, "empathy@prod")["version"] == 1)


def test_a_retired_version_is_refused_by_name_and_reason(server, vectors, vector_files, tiny_model):
    vectors("import", vector_files["concise"], "--name", "passing", "--model", tiny_model)
    until(lambda: "passing" in json.dumps(server.get("/v1/steering/vectors")))
    assert ask(server, "passing")["version"] == 1
    vectors("retire", "passing@1", "--reason", "too terse")
    until(lambda: "passing" not in json.dumps(server.get("/v1/steering/vectors")))
    with pytest.raises(openai.BadRequestError, match="too terse") as refused:
        until(lambda: ask(server, "passing") is None)
    assert refused.value.code == "vector_retired"


def test_the_admin_api_has_the_same_words(server, vectors):
    assert "/admin/v1/promote" in server.get("/openapi.json")["paths"]
    admin = httpx.Client(base_url=f"{server.url}/admin/v1", timeout=60)
    listed = admin.get("/vectors", params={"all_versions": True}).json()
    by_command = json.loads(vectors("list", "--all", "--json").stdout)
    assert listed == by_command
    assert admin.get("/vectors/empathy@prod").json()["version"] == 1
    moved = admin.post("/promote", json={"vector": "empathy@2", "alias": "canary"}).json()
    assert (moved["version"], moved["before"], moved["changed"]) == (2, None, True)
    conflict = admin.post("/promote", json={"vector": "empathy@1", "alias": "canary", "expect": 1})
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "registry_conflict")
    assert admin.post("/rollback", json={"vector": "empathy", "alias": "canary"}).status_code == 409
    assert admin.get("/vectors/nobody").status_code == 404
    assert admin.post("/retire", json={"vector": "empathy@1"}).status_code == 409  # prod
    assert admin.post("/retire", json={"vektor": "empathy@1"}).status_code == 400
    assert admin.get("/verify").json()["ok"]
    assert admin.get("/log", params={"limit": 1}).json()["log"][0]["after"] == "2"
    assert admin.get("/stale").json()["stale"] == []
    assert admin.post("/gc", json={}).json()["removed"] is False
    cosines = admin.get("/diff", params={"a": "empathy@1", "b": "empathy@2"}).json()["layers"]
    assert [layer["layer_idx"] for layer in cosines] == [1, 2]
    file = admin.get("/vectors/empathy@1/export").content
    pushed = admin.post("/push", content=file, params={"name": "copied"}).json()
    assert (pushed["name"], pushed["created"]) == ("copied", True)
    gguf = admin.get("/vectors/empathy@1/export", params={"file_format": "gguf"})
    assert "presets" in gguf.headers["x-steering-notes"]
    read = admin.post("/import", content=gguf.content, params={"name": "back"}).json()
    assert (read["format"], read["layers"], read["created"]) == ("gguf", [1, 2], True)
    assert admin.post("/import", content=b"nonsense", params={"name": "x"}).status_code == 400
    assert native.loads(file).card.name == "empathy"
    assert admin.post("/push", content=b"nonsense").status_code == 400
    for header in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
        refused = admin.get("/vectors", headers=header)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "keys_required")


@pytest.mark.parametrize("fate", ["frozen", "killed"])
def test_requests_do_not_notice_that_redis_is_gone(server, vectors, redis, fate):
    until(lambda: server.get("/v1/steering/health")["status"] == "ok")
    redis.freeze() if fate == "frozen" else redis.kill()
    try:
        assert ask(server, "empathy@prod")["version"] == 1
        assert ask(server, "empathy@2")["version"] == 2
        until(lambda: server.get("/v1/steering/health")["status"] == "degraded")
        until(lambda: all(p["error"] == "registry_unavailable" for p in processes(server)))
        assert ask(server, "empathy@prod")["version"] == 1
        if fate == "killed":
            refused = vectors("promote", "empathy@2", "prod", check=False)
            assert (refused.returncode, redis.address in refused.stderr) == (4, True)
            assert PASSWORD not in refused.stderr
    finally:
        redis.thaw() if fate == "frozen" else redis.start()
    until(lambda: server.get("/v1/steering/health")["status"] == "ok")
    vectors("promote", "empathy@2", "prod")
    until(lambda: ask(server, "empathy@prod")["version"] == 2)
    vectors("rollback", "empathy", "prod")


def test_an_upgraded_model_refuses_the_old_vectors_even_while_redis_is_down(
    server, vectors, redis, vector_files, upgraded, tmp_path
):
    """One start shows both: the copy on disk serves, and it knows what belongs to which model."""
    vectors("import", vector_files["concise"], "--name", "ported", "--model", upgraded)
    revision = json.loads(vectors("list", "--json").stdout)["revision"]
    copies = [path for path in (server.data_dir / "registry-copy").iterdir()]
    until(lambda: any(f'"revision": {revision},' in head(copy) for copy in copies))
    stale = json.loads(vectors("stale", "--model", upgraded, "--json").stdout)
    assert "empathy" in {found["name"] for found in stale["stale"]}
    blobs = {path.name for path in (copies[0] / "blobs").iterdir()}
    redis.kill()
    refused = run("serve", upgraded, "--data-dir", tmp_path / "empty", "--redis-url", redis.url,
                  "--port", "1", check=False)  # fmt: skip
    assert refused.returncode == 4
    assert redis.address in refused.stderr
    assert PASSWORD not in refused.stdout + refused.stderr
    running = start(upgraded, server.data_dir, tmp_path / "upgraded.log", "--redis-url", redis.url)
    try:
        health = running.get("/v1/steering/health")
        assert (health["status"], health["registry"]["revision"]) == ("degraded", revision)
        assert health["registry"]["age_s"] is None
        with pytest.raises(openai.BadRequestError) as mismatch:
            ask(running, "empathy")
        assert mismatch.value.code == "vector_model_mismatch"
        old = server.get("/v1/steering/health")["fingerprint"]
        assert old in mismatch.value.message
        assert health["fingerprint"] in mismatch.value.message
        with pytest.raises(openai.InternalServerError) as away:
            ask(running, "ported")  # known, but its bytes were never on this machine
        assert away.value.code == "vector_unavailable"
        assert blobs
        redis.start()
        until(lambda: running.get("/v1/steering/health")["status"] == "ok")
        until(lambda: served(running, "ported"))
        policies = asyncio.run(answers_of_tenants_with_an_old_default(redis.url, running))
        status, error = policies["fail"]
        assert (status, error["error"]["code"]) == (503, "vector_model_mismatch")
        assert old in error["error"]["message"]
        assert health["fingerprint"] in error["error"]["message"]
        status, answer = policies["base"]
        assert status == 200
        assert answer["choices"][0]["message"]["content"] is not None
        assert answer["steering"]["fallback"]["code"] == "vector_model_mismatch"
        assert (answer["steering"]["reason"], answer["steering"]["applied"]) == ("default", [])
    finally:
        assert running.stop() == [], running.log.read_text()[-3000:]


async def answers_of_tenants_with_an_old_default(url: str, server) -> dict[str, tuple[int, dict]]:
    """Returns status and body for a tenant of each policy; the tenants are gone afterwards."""
    found = {}
    body = {"model": str(server.model), "messages": [{"role": "user", "content": "hello"}]}
    async with RegistryStore(url) as store:
        for policy in ("fail", "base"):
            fields = {"vectors": ["*"], "default": {"vectors": {"empathy": 0.5}},
                      "on_unavailable": policy}  # fmt: skip
            await create_tenant(store, policy, fields, actor="e2e")
            key = (await create_key(store, tenant=policy, actor="e2e")).secret
            headers = {"authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http:
                for _ in range(200):
                    reply = await http.post("/v1/chat/completions", json=body)
                    if reply.status_code != 401:  # the key has reached the server
                        break
                    await asyncio.sleep(0.05)
                found[policy] = reply.status_code, reply.json()
        for policy in found:
            await delete_tenant(store, policy, actor="e2e")
    return found


def head(copy) -> str:
    return (copy / "snapshot").read_text().splitlines()[0]


def served(server, vector: str) -> bool:
    try:
        return ask(server, vector)["version"] == 1
    except openai.InternalServerError:
        return False
