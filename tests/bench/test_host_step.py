"""Host work per step of one worker, in microseconds: what steering adds before each forward pass.

Writes `docs/benchmarks/host-step.json` and `.md`.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Exponential, Linear
from steersman_vectors.vector import from_differences
from tests.bench.pages import machine, write
from vllm_steersman.attach import SteeringBuffers
from vllm_steersman.engine_state import EngineState
from vllm_steersman.resident import ResidentVectors

pytestmark = pytest.mark.bench

REQUESTS, STEPS, HIDDEN, LAYERS = 256, 3000, 64, 4
MOVING = Linear(tokens=1_000_000)
OPEN = ((10, None),)
MULTI_TURN = ((2, 9), (10, None))
SWAP, NEWCOMER, PROMPT = "swap", "newcomer", "newcomer with a prompt"
# name: (schedule, turns, whether every request has a plan of its own, how the batch changes)
CASES = {
    "nothing is steered": (None, OPEN, False, None),
    "constant": (CONSTANT, OPEN, False, None),
    "constant, every plan its own": (CONSTANT, OPEN, True, None),
    "linear, still falling": (MOVING, OPEN, False, None),
    "exponential, still falling": (Exponential(half_life_tokens=1e5), OPEN, False, None),
    "linear, earlier turns in the prompt": (MOVING, MULTI_TURN, False, None),
    "constant, two requests change places every step": (CONSTANT, OPEN, True, SWAP),
    "linear, two requests change places every step": (MOVING, OPEN, True, SWAP),
    "constant, one goes and one with a new plan comes every step": (CONSTANT, OPEN, True, NEWCOMER),
    "the same, the new one with a prompt of 64 tokens": (CONSTANT, OPEN, True, PROMPT),
}
AIMS = {"nothing is steered": 3.0}
AIM = 60.0


def plan_of(digest: str, alpha: float, case) -> SteeringPlan:
    schedule, turns, _, _ = case
    return SteeringPlan(terms=((digest, alpha),), schedule=schedule, turns=turns)


def engine(case) -> tuple[EngineState, str]:
    """Returns a worker with its requests, and the digest of its vector."""
    schedule, _, distinct, _ = case
    buffers = SteeringBuffers(
        rows=torch.zeros(LAYERS, REQUESTS + 1, HIDDEN),
        token_row=torch.zeros(8192, dtype=torch.int64),
        token_gate=torch.zeros(8192, 1),
        layers=tuple(range(LAYERS)),
    )
    resident = ResidentVectors(HIDDEN, range(LAYERS))
    drawn = {i: np.ones(HIDDEN) for i in range(LAYERS)}
    digest, _ = resident.load(native.dumps(from_differences(drawn, name="v", scale="unit")))
    state = EngineState(buffers, resident, REQUESTS)
    for i in range(REQUESTS if schedule is not None else 0):
        state.add(str(i), plan_of(digest, 1.0 + (i if distinct else 0), case))
    return state, digest


def measure(case) -> tuple[float, float]:
    """Returns p50 and p99 of a decode step, us."""
    change = case[-1]
    state, digest = engine(case)
    order = [str(i) for i in range(REQUESTS)]
    computed, scheduled = np.full(REQUESTS, 100, np.int32), np.ones(REQUESTS, np.int32)
    state.step(order, computed, scheduled)
    times = []
    for k in range(STEPS):
        computed += 1
        i = k % (REQUESTS - 1)
        if change == SWAP:
            order[i], order[i + 1] = order[i + 1], order[i]
        new = plan_of(digest, 1000.0 + k, case) if change in (NEWCOMER, PROMPT) else None
        if change == PROMPT:
            computed[i - 1], scheduled[i - 1] = 100, 1
            computed[i], scheduled[i] = 0, 64
        started = time.perf_counter_ns()
        if new is not None:
            state.remove([order[i]])
            order[i] = f"new {k}"
            state.add(order[i], new)
        state.step(order, computed, scheduled)
        times.append((time.perf_counter_ns() - started) / 1e3)
    return float(np.percentile(times, 50)), float(np.percentile(times, 99))


def test_host_work_per_step():
    rows = {name: measure(case) for name, case in CASES.items()}
    lines = [
        "# Host work per decode step",
        "",
        f"{machine()}. {REQUESTS} running requests, {STEPS} steps. Made by `make bench`.",
        "",
        "| case | us p50 | us p99 | aim |",
        "|---|---:|---:|---|",
    ]
    for name, (p50, p99) in rows.items():
        aim = AIMS.get(name, AIM)
        verdict = f"< {aim:g}: {'met' if p50 < aim else '**missed**'}"
        lines.append(f"| {name} | {p50:.1f} | {p99:.1f} | {verdict} |")
    lines += [
        "",
        "In the one step in which a request comes, the slots of the batch are looked up anew and",
        "its row is assigned, summed and written: paid once per request, not per step.",
    ]
    record = {"machine": machine(), "requests": REQUESTS, "p50_p99_us": rows}
    write("host-step", record, "\n".join(lines) + "\n")
    assert rows["nothing is steered"][0] < rows["linear, still falling"][0]
