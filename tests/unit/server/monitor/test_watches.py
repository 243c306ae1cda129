"""Gauges and counters as the watches set them, from what workers and registry say."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from steersman_server.live_registry import LiveRegistry
from steersman_server.monitor.counted import CountedSoFar
from steersman_server.monitor.engine_watch import EngineWatch
from steersman_server.monitor.registry_watch import RegistryWatch, Standing, mismatched
from steersman_server.monitor.watch import announce, every
from steersman_server.processes import ProcessBoard, ProcessReport
from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.worker_counters import COUNTERS_KEY, WorkerCounters
from tests.unit.server.samples import ENGINE, MODEL, OTHER_MODEL, SNAPSHOT, entry


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def answer(rank: tuple[int, int, int], since: str, **totals) -> dict:
    dp, tp, pp = rank
    return {
        "rank": {"data_parallel": dp, "tensor_parallel": tp, "pipeline_parallel": pp},
        "resident_vectors": 3, "resident_bytes": 96, "rows": 16, "rows_in_use": 2,
        "rows_high_water": 5, "tracked_requests": 4,
        COUNTERS_KEY: WorkerCounters(since, **totals).as_json(),
    }  # fmt: skip


class Workers:
    """What the link's `status` gives: answers, or an error."""

    def __init__(self, *answers: dict) -> None:
        self.answers = list(answers)
        self.error: OperatorError | None = None
        self.asked = 0

    async def status(self) -> list[dict]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.answers


def test_what_runs_is_announced_with_its_api_processes():
    announce(version="1", vllm="2", model="m", fingerprint="sha256:" + "f" * 64,
             self_test_seconds=0.5, api_processes=3)  # fmt: skip
    assert value("steering_api_processes") == 3
    assert value("steering_self_test_seconds") == 0.5


async def test_workers_totals_become_counters_and_their_state_gauges(tmp_path):
    workers = Workers(
        answer((7, 0, 0), "a", tokens=5, routed_steps=2, settled_steps=3, host_seconds=0.5),
        answer((7, 1, 0), "b", tokens=5, unsteered_steps=1, loads=2, load_seconds=0.25),
    )
    watch = EngineWatch(workers.status, lambda: True, CountedSoFar(tmp_path, os.getpid()))
    await watch.look()
    workers.answers[0] = answer((7, 0, 0), "a", tokens=9, routed_steps=2, settled_steps=8)
    await watch.look()
    one, two = {"worker": "dp7-tp0-pp0"}, {"worker": "dp7-tp1-pp0"}
    assert value("steering_tokens_total", **one) == 9
    assert value("steering_tokens_total", **two) == 5
    assert value("steering_steps_total", kind="settled", **one) == 8
    assert value("steering_steps_total", kind="routed", **one) == 2
    assert value("steering_steps_total", kind="unsteered", **two) == 1
    assert value("steering_step_host_seconds_total", **one) == 0.5
    assert value("steering_vector_loads_total", **two) == 2
    assert value("steering_vector_load_seconds_total", **two) == 0.25
    assert value("steering_rows_in_use", **one) == 2
    assert value("steering_rows_high_water", **two) == 5
    assert value("steering_tracked_requests", **one) == 4
    assert value("steering_workers") == 2


@pytest.mark.parametrize(
    ("code", "passed", "answered"),
    [("self_test_failed", 0, 1), ("steering_not_enabled", 0, 1), ("engine_unavailable", 1, 0)],
)
async def test_a_lost_hook_is_told_and_silence_is_not_taken_for_one(
    tmp_path, code, passed, answered
):
    workers = Workers(answer((8, 0, 0), "c"))
    watch = EngineWatch(workers.status, lambda: True, CountedSoFar(tmp_path, os.getpid()))
    await watch.look()
    assert value("steering_self_test_passed") == value("steering_workers") == 1
    before = value("steering_engine_errors_total", code=code) or 0
    workers.error = OperatorError("it says so", code=code)
    await watch.look()
    assert value("steering_self_test_passed") == passed
    assert value("steering_workers") == answered
    assert value("steering_engine_errors_total", code=code) == before + 1
    workers.error = None
    await watch.look()
    assert value("steering_self_test_passed") == value("steering_workers") == 1


async def test_the_first_process_that_lives_asks_and_the_next_takes_over(tmp_path):
    """Two real processes; the first one ends, and the other goes on where it stopped."""
    board = ProcessBoard(tmp_path, os.getpid())
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    first, second = sorted((subprocess.Popen(command) for _ in range(2)), key=lambda p: p.pid)
    try:
        workers, watches = Workers(answer((9, 0, 0), "d", tokens=5)), []
        for process in (first, second):
            board.post(ProcessReport(process.pid, 1, time.monotonic(), None))
            counted = CountedSoFar(tmp_path, os.getpid())
            is_first = partial(board.is_first, process.pid)
            watches.append(EngineWatch(workers.status, is_first, counted))
        for watch in watches:
            await watch.look()
        assert workers.asked == 1
        first.kill()
        first.wait()
        workers.answers = [answer((9, 0, 0), "d", tokens=8)]
        await watches[1].look()
        assert workers.asked == 2
        assert value("steering_tokens_total", worker="dp9-tp0-pp0") == 8
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_a_process_without_any_report_asks_itself(tmp_path):
    assert ProcessBoard(tmp_path / "nowhere", os.getpid()).is_first(os.getpid())


async def test_where_the_process_stands_with_the_registry():
    standing = Standing(SNAPSHOT, 1.5, stale=False, killed=False)
    now = SimpleNamespace(standing=standing)
    watch = RegistryWatch(ENGINE.fingerprint, lambda: now.standing)
    await watch.look()
    assert value("steering_registry_revision") == SNAPSHOT.revision
    assert value("steering_registry_age_seconds") == 1.5
    assert value("steering_registry_stale") == value("steering_kill_switch") == 0
    assert value("steering_vectors_mismatched") == len(mismatched(SNAPSHOT, MODEL))
    later = replace(SNAPSHOT, revision=SNAPSHOT.revision + 1)
    now.standing = Standing(later, None, stale=True, killed=True)
    await watch.look()
    assert value("steering_registry_revision") == SNAPSHOT.revision + 1
    assert value("steering_registry_age_seconds") == math.inf
    assert value("steering_registry_stale") == value("steering_kill_switch") == 1


def test_a_vector_made_again_for_the_served_model_is_not_mismatched():
    there = [entry(name, fingerprint=OTHER_MODEL) for name in ("calm", "warm", "cold")]
    gone = replace(there[2], retired=SimpleNamespace())
    snapshot = RegistrySnapshot.of(1, [*there[:2], gone, entry("warm")])
    assert mismatched(snapshot, MODEL) == {"calm"}
    assert mismatched(snapshot, OTHER_MODEL) == set()


async def test_what_keeps_the_registry_from_being_followed_is_counted_by_code():
    class Silent:
        async def wait_for_change(self, *_):
            raise OperatorError("no answer", code="registry_counted_here")

    live = LiveRegistry(Silent(), SNAPSHOT, None)

    async def prepare(_):
        return None

    heard = asyncio.Event()
    task = asyncio.create_task(live.follow(prepare, heard.set))
    await asyncio.wait_for(
        _until(lambda: value("steering_registry_errors_total", code="registry_counted_here")), 30
    )
    task.cancel()


async def _until(holds) -> None:
    while not holds():
        await asyncio.sleep(0.01)


async def test_a_watch_goes_on_after_a_fault_of_ours():
    looks = []

    async def look():
        looks.append(1)
        raise ZeroDivisionError

    task = asyncio.create_task(every(0.0, look))
    await asyncio.wait_for(_until(lambda: len(looks) > 2), 30)
    task.cancel()
