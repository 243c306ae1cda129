"""Steered against stock vLLM: engines side by side, cases interleaved, ratios in each round."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.profiles import Profile

LINEAR = {"kind": "linear", "tokens": 1_000_000, "floor": 0.1}
NEW_EVERY = 8
"""Steps after which a request goes and another comes, in the cases with arrivals."""
STOCK, STOCK_WITH_ARRIVALS = "stock vLLM", "stock vLLM, requests come and go"
Layers = list[int] | str | None


@dataclass(frozen=True)
class Case:
    """An engine, what each of its requests carries, and the ratio to stock that is aimed for."""

    name: str
    layers: Layers
    plans: list[dict[str, Any] | None]
    aim: float | None = None
    new_every: int | None = None
    process: int = 0
    """Cases of equal layers share an engine, unless they ask for one more."""

    @property
    def engine(self) -> str:
        return f"{self.layers} {self.process}"

    @property
    def baseline(self) -> str:
        """The case of stock vLLM under the same load."""
        return STOCK_WITH_ARRIVALS if self.new_every else STOCK


def cases_of(profile: Profile) -> list[Case]:
    n, depth = profile.requests, profile.depth
    nothing: list[dict[str, Any] | None] = [None] * n

    def same(*names: str, **more: Any) -> list[dict[str, Any] | None]:
        return [{"alphas": dict.fromkeys(names, 0.5), **more}] * n

    five = [depth * (2 * i + 1) // 12 for i in range(5)]
    own = [{"alphas": {"one": 0.5 + i / 100}} for i in range(n)]
    return [
        Case(STOCK, None, nothing),
        Case("stock vLLM again", None, nothing, process=1 if profile.starts > 1 else 0),
        Case("idle, 5 layers hooked", five, nothing, 0.995),
        Case("idle, every layer hooked", "all", nothing, 0.995),
        Case("steered at 1 layer", [depth // 2], same("one")),
        Case("steered at 5 layers", five, same("one"), 0.99),
        Case("steered at every layer", "all", same("one"), 0.97),
        Case("three vectors at every layer", "all", same("one", "two", "three"), 0.97),
        Case("every request its own plan", "all", [*own], 0.97),
        Case("a schedule on every request", "all", same("one", schedule=LINEAR), 0.97),
        Case(STOCK_WITH_ARRIVALS, None, nothing, new_every=NEW_EVERY),
        Case("each newcomer by a new vector", "all", same("one"), new_every=NEW_EVERY),
    ]


class EngineProcess:
    """An `engine_process.py`, started once for all cases that share its hooks."""

    def __init__(self, profile: Profile, folder: Path, layers: Layers, eager: bool) -> None:
        options = {
            "model": str(folder), "layers": layers, "eager": eager, "dtype": profile.dtype,
            "requests": profile.requests, "hidden": profile.hidden, "depth": profile.depth,
            "more": profile.options,
        }  # fmt: skip
        environment = os.environ | {
            "VLLM_LOGGING_LEVEL": "ERROR",
            **profile.environment,
            "VLLM_PLUGINS": "" if layers is None else "steersman",
        }
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("engine_process.py"), json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def answer(self) -> dict[str, Any]:
        """Returns what the engine says next; waits for it."""
        line = self.process.stdout.readline()
        assert line, "an engine ended; what it said is above"
        return json.loads(line)

    def steps(self, case: Case, tokens: int) -> list[float]:
        command = {"plans": case.plans, "tokens": tokens, "new_every": case.new_every}
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.answer()["steps"]

    def stop(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stdout.close()


def boot(
    profile: Profile, folder: Path, cases: list[Case], eager: bool
) -> dict[str, EngineProcess]:
    """Returns the engines that the cases need, ready, started in the order of the cases."""
    engines: dict[str, EngineProcess] = {}
    distinct = {case.engine: case.layers for case in cases}
    try:
        for name, layers in distinct.items():
            engines[name] = EngineProcess(profile, folder, layers, eager)
            if not profile.boot_together:
                engines[name].answer()
        if profile.boot_together:
            with ThreadPoolExecutor() as pool:
                list(pool.map(EngineProcess.answer, engines.values()))
    except BaseException:
        stop(engines)
        raise
    return engines


def stop(engines: dict[str, EngineProcess]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(EngineProcess.stop, engines.values()))


def measure(profile: Profile, folder: Path, *, eager: bool) -> list[dict[str, Any]]:
    """Returns a row for each case; folder is where the model's config.json is written.

    NOTE: a process keeps what memory it got, and two of stock vLLM can differ by a tenth for as
    long as they live; the first one to start tends to be the slower. So engines are started anew,
    in another order, as often as the profile says.
    """
    (folder / "config.json").write_text(json.dumps(profile.model))
    cases = cases_of(profile)
    times: dict[str, list[list[float]]] = {case.name: [] for case in cases}
    for start_no in range(profile.starts):
        turned = start_no * len(cases) // profile.starts
        engines = boot(profile, folder, cases[turned:] + cases[:turned], eager)
        try:
            for case in cases:  # warm up
                engines[case.engine].steps(case, profile.tokens)
            for round_no in range(profile.rounds):
                for case in cases if round_no % 2 == 0 else reversed(cases):
                    times[case.name].append(engines[case.engine].steps(case, profile.tokens))
        finally:
            stop(engines)
    return [row_of(case, times, profile.statistic) | {"eager": eager} for case in cases]


def row_of(case: Case, times: dict[str, list[list[float]]], statistic: str) -> dict[str, Any]:
    """Returns the case's ratio to stock, over rounds, and its step times.

    Arrivals are in few steps, so that only the mean knows of them.
    """
    typical = statistics.mean if case.new_every or statistic == "mean" else statistics.median
    stock = [typical(steps) for steps in times[case.baseline]]
    mine = [typical(steps) for steps in times[case.name]]
    ratios = [s / m for s, m in zip(stock, mine, strict=True)]
    every = np.concatenate(times[case.name]) * 1e3
    return {
        "case": case.name,
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "itl_ms_p50": float(np.percentile(every, 50)),
        "itl_ms_p99": float(np.percentile(every, 99)),
        "aim": case.aim,
    }
