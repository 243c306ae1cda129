"""What an operator does: look, import while serving, make mistakes, stop."""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.conftest import run
from tests.e2e.test_openai_client import chat, text

pytestmark = pytest.mark.e2e


def wait_until(condition, seconds: float = 30):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)
    return result


def test_the_vectors_that_requests_may_name(server):
    data = server.get("/v1/steering/vectors")["data"]
    empathy = next(v for v in data if v["id"] == "empathy")
    assert empathy["layers"] == [1, 2]
    assert empathy["presets"]["strong"]["schedule"]["floor"] == 0.25
    assert empathy["servable"] is True


def test_health(server):
    health = server.get("/v1/steering/health")
    assert health["status"] in ("ok", "degraded")
    assert health["assistant_scope"] is True
    assert health["workers"][0]["enabled"] is True
    assert health["fingerprint"].startswith("sha256:")


def test_a_vector_imported_while_the_server_runs_can_be_named(server, vector_files):
    before = server.get("/v1/steering/vectors")["revision"]
    done = run(
        "vectors", "import", vector_files["concise"], "--name", "concise",
        "--model", server.model, "--data-dir", server.data_dir, "--json",
    )  # fmt: skip
    digest = json.loads(done.stdout)["digest"]

    def resident() -> bool:
        workers = server.get("/v1/steering/health")["workers"]
        return all(digest in worker["resident"] for worker in workers)

    wait_until(resident)
    assert server.get("/v1/steering/vectors")["revision"] > before
    reply = chat(server, {"vectors": {"concise": 30.0, "empathy": 0.5}})
    assert {a["vector"] for a in reply.steering["applied"]} == {"concise", "empathy"}
    assert text(reply) != text(chat(server, {"vectors": {"empathy": 0.5}}))


def test_list_and_show_work_beside_the_server(server):
    listed = run("vectors", "list", "--data-dir", server.data_dir).stdout
    assert "empathy" in listed
    shown = run("vectors", "show", "empathy", "--data-dir", server.data_dir).stdout
    assert "strong" in shown


def test_a_second_server_is_told_who_holds_the_data_directory(server):
    done = run("serve", server.model, "--data-dir", server.data_dir, check=False)
    assert done.returncode != 0
    assert str(server.process.pid) in done.stderr
    assert "Traceback" not in done.stderr


def test_other_machines_are_not_served_without_a_key(server, tmp_path):
    done = run("serve", server.model, "--data-dir", tmp_path, "--host", "0.0.0.0", check=False)
    assert done.returncode != 0
    assert "--api-key" in done.stderr
    assert "Traceback" not in done.stderr
