"""A real server on a real port, started by the command a user types, shared by the session."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import openai
import psutil
import pytest

from steersman_server.access.settings import ADMIN_KEY_ENV
from steersman_vectors.card import Preset
from steersman_vectors.formats import native
from steersman_vectors.schedule import Linear
from steersman_vectors.vector import SteeringVector, from_differences
from tests.e2e.tenants import ROOT, TenantServer, furnish, leaked
from tests.engine.reference import HuggingFaceReference
from tests.tiny_model import HIDDEN, build_tiny_llama

START_S = 420
"""A boot takes 40 s, on a machine with as much else to do several times that."""
REPOSITORY = Path(__file__).parents[2]
QUALITY_SAMPLE = 0.5
"""Of the session's server: requests by their ids, so that tests choose which are sampled."""
QUALITY_SHADOW = 0.1
"""Of the same, requests that are run once more unsteered where they are steered."""
STEERSMAN = str(Path(sys.executable).with_name("steersman"))
ENVIRONMENT = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}


def run(*args: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a `steersman` command to its end."""
    done = subprocess.run(
        [STEERSMAN, *map(str, args)], capture_output=True, text=True, timeout=120, env=ENVIRONMENT
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@dataclass
class Server:
    """A running `steersman serve`."""

    process: subprocess.Popen[bytes]
    url: str
    data_dir: Path
    model: Path
    log: Path

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)

    @property
    def async_client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)

    def get(self, path: str) -> dict:
        return httpx.get(self.url + path, timeout=30).raise_for_status().json()

    def stop(self, how: signal.Signals = signal.SIGINT) -> list[psutil.Process]:
        """Sends what Ctrl-C sends, or another, and returns the processes that outlive it."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(how)
        self.process.wait(timeout=60)
        _, alive = psutil.wait_procs(family, timeout=20)
        return alive


def end_family(process: subprocess.Popen[bytes]) -> None:
    """Ends a server that does not start, and all that it has started."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(
    model: Path, data_dir: Path, log: Path, *args: str, env: dict[str, str] | None = None,
    compiled: bool = False,
) -> Server:  # fmt: skip
    """Starts a server and returns when it answers; fails with its log when it does not."""
    port = free_port()
    command = [
        STEERSMAN, "serve", model, "--data-dir", data_dir, "--port", port, "--dtype", "float32",
        "--max-model-len", 512, "--max-num-seqs", 16,
        # 128 MiB of key-value cache, not 1 GiB: many servers are there at once.
        *(() if compiled else ("--enforce-eager", "--num-gpu-blocks-override", 256)), *args,
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=out,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT | (env or {}),
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url + "/health", timeout=5).status_code == 200:
                return Server(process, url, data_dir, model, log)
        except httpx.TransportError:
            time.sleep(0.3)
    end_family(process)
    pytest.fail(f"the server did not start:\n{log.read_text()[-6000:]}")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("e2e") / "tiny-llama")


@pytest.fixture(scope="session")
def vector_files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(9)
    made = {
        "empathy": from_differences(
            {1: rng.normal(size=HIDDEN), 2: rng.normal(size=HIDDEN)},
            name="empathy",
            scale="raw",
            alpha_max=4.0,
            presets={
                "low": Preset(alpha=0.5),
                "strong": Preset(alpha=1.5, schedule=Linear(tokens=4, floor=0.25)),
            },
        ),
        "concise": from_differences({2: rng.normal(size=HIDDEN)}, name="concise", scale="unit"),
    }
    for name, vector in made.items():
        native.save(vector, folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in made}


@pytest.fixture(scope="session")
def server(tiny_model, vector_files, tmp_path_factory):
    """One server for all tests; `empathy` is imported before it starts, `concise` while it runs."""
    folder = tmp_path_factory.mktemp("data")
    data_dir = folder / "registry"
    file = vector_files["empathy"]
    run("vectors", "import", file, "--name", "empathy", "--model", tiny_model,
        "--data-dir", data_dir)  # fmt: skip
    running = start(
        tiny_model, data_dir, folder / "server.log", "--quality-sample", str(QUALITY_SAMPLE),
        "--quality-logprob-share", "1",
        "--quality-shadow", str(QUALITY_SHADOW),
        "--readout", "empathy,nobody", "--readout-every", "1",
    )  # fmt: skip
    yield running
    assert running.stop() == [], running.log.read_text()[-3000:]


@pytest.fixture(scope="session")
def tenant_server(tiny_model, vector_files, tmp_path_factory):
    """Two API processes, keys for everybody, and vLLM's development routes there to be closed."""
    folder = tmp_path_factory.mktemp("tenants")
    for name, file in (("empathy", "concise"), ("empathy", "empathy"), ("concise", "concise"),
                       ("secret", "empathy"), ("fading", "empathy")):  # fmt: skip
        run("vectors", "import", vector_files[file], "--name", name, "--model", tiny_model,
            "--data-dir", folder / "data")  # fmt: skip
    server = start(
        tiny_model, folder / "data", folder / "server.log", "--api-server-count", "2",
        "--quality-sample", "1", "--quality-logprob-share", "1",
        "--readout", "empathy,concise",
        env={ADMIN_KEY_ENV: ROOT, "VLLM_SERVER_DEV_MODE": "1"},
    )  # fmt: skip
    running = TenantServer(server)
    try:
        furnish(running)
        yield running
        for path in ("/metrics", "/admin/v1/audit?limit=100000", "/admin/v1/log?limit=10000"):
            said = running.request("viewer", "GET", path).raise_for_status().text
            assert leaked(said, running.secrets) == [], path
    finally:
        for client in running.clients:
            client.close()
        outlived = server.stop()
    said = server.log.read_text(errors="replace")
    assert leaked(said, running.secrets) == []
    assert outlived == [], said[-3000:]


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """`steersman demo`, as `make demo` runs it, and the file with what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    log = folder / "demo.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [STEERSMAN, "demo", "--port", str(port), "--data-dir", str(folder / "data")],
            cwd=REPOSITORY, stdout=out, stderr=subprocess.STDOUT, env=ENVIRONMENT,
        )  # fmt: skip
    deadline = time.monotonic() + START_S
    while "End the server: Ctrl-C" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            end_family(process)
            pytest.fail(f"the demo did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    yield f"http://127.0.0.1:{port}", log
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    assert family, "the engine and the registry are processes of their own"


@pytest.fixture(scope="session")
def by_digest(vector_files, server) -> dict[str, SteeringVector]:
    """The vectors as the registry holds them, by the digest it gives them."""
    listed = json.loads(run("vectors", "list", "--data-dir", server.data_dir, "--json").stdout)
    rows = listed["vectors"] if isinstance(listed, dict) else listed
    return {row["digest"]: native.load(vector_files[row["name"]]) for row in rows}


@pytest.fixture(scope="session")
def reference(tiny_model) -> HuggingFaceReference:
    return HuggingFaceReference(tiny_model)
