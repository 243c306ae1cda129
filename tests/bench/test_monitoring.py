"""What watching costs: metrics, decision lines, quality of answers, questions to the workers.

`make bench-monitoring`; some ten minutes. Writes `docs/benchmarks/monitoring.json` and `.md`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from steersman_server.monitor import engine_watch
from steersman_server.monitor.counted import CountedSoFar
from steersman_server.monitor.engine_watch import EngineWatch
from steersman_server.monitor.registry_watch import RegistryWatch, Standing
from steersman_vectors.worker_counters import COUNTERS_KEY, WorkerCounters
from tests.bench import monitoring_page
from tests.bench.monitored_requests import processor_us
from tests.bench.pages import machine, write
from tests.bench.profiles import LLAMA, RUNNER
from tests.bench.test_host_step import CASES, STEPS, engine
from tests.bench.test_server import MANY, Target, load
from tests.e2e.conftest import start
from tests.tiny_model import build_tiny_llama
from tests.unit.server.samples import MODEL, SNAPSHOT
from vllm_steersman.counts import StepCounts

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1500)]

SHAPES = {"4 layers of 256": (256, 4), "12 layers of 1024": (1024, 12)}
VOCABULARIES = (32_000, 128_256)
BATCH = 64
TURN, TURNS = 4, 10
LOOKS = 2000
KIND = "64 tokens, one request after the other"
ROUNDS = 6
WATCHED, UNWATCHED, AGAIN = "as by default", "`--quality-sample 0`", "`--quality-sample 0`, again"
RECORD: dict[str, Any] = {}
ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "ERROR", RUNNER: "0", "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_PLUGINS": "steersman",
    # One thread, which is not bound: its processor time does not depend on what else runs.
    "OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[None]:
    yield
    record = {"machine": machine(), **RECORD}
    write("monitoring", record, monitoring_page.page(record))


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_steps_in_which_a_request_asks_for_logprobs(shape, vocabulary, tmp_path):
    hidden, layers = SHAPES[shape]
    config = LLAMA | {
        "hidden_size": hidden, "intermediate_size": 11 * hidden // 4, "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 128,
        "vocab_size": vocabulary,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    options = {
        "model": str(tmp_path), "requests": BATCH, "turn": TURN, "turns": TURNS,
        "more": {"max_model_len": 512, "dtype": "float32"},
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.logprob_engine", json.dumps(options)],
        stdout=subprocess.PIPE, text=True, check=True, timeout=600, env=os.environ | ENVIRONMENT,
    )  # fmt: skip
    row = {"shape": shape, "vocabulary": vocabulary, "batch": BATCH, **json.loads(done.stdout)}
    RECORD.setdefault("steps", []).append(row)


def test_requests(tmp_path):
    RECORD["request_us"] = processor_us(tmp_path / "services")


def test_counting_in_a_step():
    """The additions and the clock, of which each step has one, on a worker's own counts."""
    state, _ = engine(CASES["constant"])
    order = [str(i) for i in range(256)]
    computed, scheduled = np.full(256, 100, np.int32), np.ones(256, np.int32)
    whole = []
    for _ in range(9):
        started = time.process_time()
        for _ in range(STEPS):
            computed += 1
            state.step(order, computed, scheduled)
        whole.append((time.process_time() - started) / STEPS * 1e6)

    counts = StepCounts()

    def counted() -> None:
        started = time.perf_counter_ns()
        counts.settled += 1
        counts.tokens += 256
        counts.host_ns += time.perf_counter_ns() - started

    gates = np.ones(256, np.float32)
    RECORD["step_us"] = {
        "all of a settled step": min(whole),
        "counting": per_call_us(counted),
        "counting of a step whose gates moved": per_call_us(lambda: np.count_nonzero(gates)),
    }


def test_looks(tmp_path):
    """What the watches beside the requests do in the API process, each time that they look."""
    status = {
        "rank": {"data_parallel": 0, "tensor_parallel": 0, "pipeline_parallel": 0},
        **dict.fromkeys(engine_watch.GAUGES.values(), 3),
    }
    now = {"steps": 0}

    async def ask() -> list[dict[str, Any]]:
        now["steps"] += 100
        counters = WorkerCounters("since", settled_steps=now["steps"], tokens=now["steps"] * 64)
        return [{**status, COUNTERS_KEY: asdict(counters)}]

    engines = EngineWatch(ask, lambda: True, CountedSoFar(tmp_path, os.getpid()))
    registries = RegistryWatch(MODEL, lambda: Standing(SNAPSHOT, 0.1, stale=False, killed=False))

    async def look(watch: Any) -> float:
        started = time.process_time()
        for _ in range(LOOKS):
            await watch.look()
        return (time.process_time() - started) / LOOKS * 1e6

    RECORD["look_us"] = {
        "engine": asyncio.run(look(engines)), "registry": asyncio.run(look(registries)),
    }  # fmt: skip


def test_servers_side_by_side(tmp_path):
    """Three servers run all the time and are loaded in turn, the order reversed every other."""
    model = build_tiny_llama(tmp_path / "tiny")
    servers = []
    try:
        for number, name in enumerate((WATCHED, UNWATCHED, AGAIN)):
            more = () if name == WATCHED else ("--quality-sample", "0")
            (tmp_path / str(number)).mkdir()
            servers.append(Target(name, start(
                model, tmp_path / str(number) / "data", tmp_path / str(number) / "log",
                *MANY, *more, compiled=True,
            ), str(model), "none"))  # fmt: skip
            load(servers[-1], KIND)
        for k in range(ROUNDS):
            for target in servers if k % 2 == 0 else servers[::-1]:
                row = {"round": k, "target": target.name, **load(target, KIND)}
                RECORD.setdefault("servers", []).append(row)
    finally:
        assert [left for target in servers for left in target.server.stop()] == []


def per_call_us(call: Any, calls: int = 200_000) -> float:
    """Returns the processor time of a call, without that of calling; least of several runs."""

    def nothing() -> None: ...

    def run(function: Any) -> float:
        started = time.process_time()
        for _ in range(calls):
            function()
        return (time.process_time() - started) / calls * 1e6

    return min(run(call) for _ in range(7)) - min(run(nothing) for _ in range(7))
