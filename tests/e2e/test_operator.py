"""What an operator does: look, import while serving, make mistakes, stop."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress

import httpx
import psutil
import pytest

from tests.e2e.conftest import free_port, run, start
from tests.e2e.test_metrics import scrape, value
from tests.e2e.test_openai_client import chat, text
from tests.engine.test_architectures import ARCHITECTURES

pytestmark = pytest.mark.e2e

KV_TRANSFER = '{"kv_connector": "ExampleConnector", "kv_role": "kv_both"}'


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
    assert health["status"] == "ok"
    assert health["assistant_scope"] is True
    (worker,) = health["workers"]
    assert worker["enabled"] is True
    assert worker["layers"] == worker["self_test"] == [0, 1, 2, 3]
    assert health["self_test"]["status"] == "passed"
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


@pytest.mark.parametrize(("which", "how"), [("watchdog", "kill"), ("valkey", "terminate")])
def test_the_servers_registry_comes_back_whatever_ends_it(server, vector_files, which, how):
    def registry() -> dict[str, psutil.Process]:
        found = {}
        for process in psutil.Process(server.process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it ends just now
                if process.cwd() == str(server.data_dir / "registry"):
                    watchdog = "watchdog.py" in " ".join(process.cmdline())
                    found["watchdog" if watchdog else "valkey"] = process
        return found

    before = registry()
    getattr(before[which], how)()
    assert chat(server, {"vectors": {"empathy": 0.5}}).steering["applied"]
    wait_until(lambda: len(after := registry()) == 2 and before["valkey"] not in after.values())
    wait_until(lambda: httpx.get(f"{server.url}/admin/v1/vectors", timeout=30).is_success)
    name = f"after-{which}"
    run("vectors", "import", vector_files["empathy"], "--name", name, "--model", server.model,
        "--data-dir", server.data_dir)  # fmt: skip
    wait_until(lambda: name in json.dumps(server.get("/v1/steering/vectors")))
    assert chat(server, {"vectors": {name: 0.5}}).steering["applied"]
    assert server.get("/v1/steering/health")["status"] == "ok"
    assert "registry_ended" in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "--api-key"),
        (["--max-model-len", "1000000"], "max_model_len"),
        (["--steering-layers", "0,99"], "4 decoder blocks"),
        (["--kv-transfer-config", KV_TRANSFER], "remove --kv-transfer-config"),
    ],
)
def test_what_keeps_a_server_from_starting_is_one_line_with_the_remedy(
    tiny_model, tmp_path, options, said
):
    done = run("serve", tiny_model, "--data-dir", tmp_path / "data", "--port", str(free_port()),
               "--dtype", "float32", *options, check=False)  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_named(server, tmp_path):
    port = server.url.rpartition(":")[2]
    done = run("serve", server.model, "--data-dir", tmp_path, "--port", port, check=False)
    assert done.returncode == 4
    assert port in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("engines", "how"),
    [
        # A minute each. Two processes over one engine: `test_metrics`; SIGTERM: `test_registry`.
        pytest.param(1, signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param(2, signal.SIGTERM, marks=pytest.mark.soak),
        (2, signal.SIGKILL),
    ],
)
def test_two_api_processes_steer_alike_and_nothing_outlives_them(
    tiny_model, vector_files, tmp_path, server, engines, how
):
    """With one engine or two data-parallel ones; whether the first process is told or killed."""
    run("vectors", "import", vector_files["empathy"], "--name", "empathy", "--model", tiny_model,
        "--data-dir", tmp_path / "data")  # fmt: skip
    two = start(
        tiny_model, tmp_path / "data", tmp_path / "log", "--api-server-count", "2",
        "--data-parallel-size", str(engines),
    )  # fmt: skip
    family = psutil.Process(two.process.pid).children(recursive=True)
    try:
        workers = two.get("/v1/steering/health")["workers"]
        assert [w["rank"]["data_parallel"] for w in workers] == list(range(engines))
        assert all(w["self_test"] == [0, 1, 2, 3] and len(w["resident"]) == 1 for w in workers)
        field = {"vectors": {"empathy": 1.5}}
        expected = text(chat(server, field))
        assert expected != text(chat(server, False))
        for i in range(12):  # the kernel gives each connection to one of the two
            to_rank = {"X-data-parallel-rank": str(i % engines)}
            assert text(chat(two, field, extra_headers=to_rank)) == expected
        wait_until(lambda: all_workers_are_told(two, engines))
    finally:
        two.process.send_signal(how)
        two.process.wait(timeout=60)
        _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == [], [p.cmdline() for p in alive]
    assert "empathy" in run("vectors", "list", "--data-dir", tmp_path / "data").stdout


def all_workers_are_told(server, engines: int) -> bool:
    """Returns whether each data-parallel engine's worker has its own metrics, and steered."""
    found = scrape(server)
    names = [f"dp{rank}-tp0-pp0" for rank in range(engines)]
    steered = [value(found, "steering_tokens_total", worker=name) for name in names]
    return value(found, "steering_workers") == engines and all(tokens > 0 for tokens in steered)


def test_the_globally_attending_layers_can_be_chosen(tmp_path):
    model = ARCHITECTURES["gemma3"].build(tmp_path / "gemma3")
    chosen = start(model, tmp_path / "data", tmp_path / "log", "--steering-layers", "global")
    try:
        (worker,) = chosen.get("/v1/steering/health")["workers"]
        assert worker["layers"] == worker["self_test"] == [1, 3]
    finally:
        chosen.stop()


def test_a_client_that_hangs_up_ends_its_request(server):
    stream = chat(server, {"vectors": {"empathy": 1.5}}, stream=True, max_tokens=400)
    next(iter(stream))

    def tracked() -> int:
        (worker,) = server.get("/v1/steering/health")["workers"]
        return worker["tracked_requests"]

    assert tracked() == 1
    stream.close()

    def gone() -> bool:
        chat(server, False)  # an engine without work does not look
        return tracked() == 0

    wait_until(gone)
