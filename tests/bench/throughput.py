"""Steered against stock vLLM: engines side by side that step in turn, ratios of each turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
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
Pair = tuple[list[float], list[float]]
"""Step times of stock vLLM and of a case, taken next to each other."""
Pairs = dict[str, list[Pair]]
PAUSE = 0.01
"""Seconds before each turn: libgomp's threads spin on for 4 to 8 ms after a step, in the next."""


@dataclass(frozen=True)
class Case:
    """An engine, what each of its requests carries, and the ratio to stock that is aimed for."""

    name: str
    layers: Layers
    plans: list[dict[str, Any] | None]
    aim: float | None = None
    new_every: int | None = None
    readout: tuple[int, int] | None = None
    """How many blocks are read out, and of how many steps one is measured."""
    process: int = 0
    """Cases of equal layers share an engine, unless they ask for one more."""

    @property
    def engine(self) -> str:
        return f"{self.layers} {self.readout} {self.process}"

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
    unsteered = [
        Case(STOCK, None, nothing),
        Case("stock vLLM again", None, nothing, process=1 if profile.starts > 1 else 0),
        Case("idle, 5 layers hooked", five, nothing, 0.995),
    ]
    if profile.readout:
        return [
            *unsteered,
            Case("idle, 2 vectors read out", five, nothing, 0.995, readout=(2, 8)),
            Case("idle, 2 vectors read out in every step", five, nothing, readout=(2, 1)),
        ]
    return [
        *unsteered,
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

    def __init__(self, profile: Profile, folder: Path, case: Case, eager: bool) -> None:
        layers = case.layers
        options = {
            "model": str(folder), "layers": layers, "readout": case.readout,
            "eager": eager, "dtype": profile.dtype,
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

    def steps(self, case: Case, steps: int, *, end: bool) -> list[float]:
        """Returns the times of the next steps of the case's run."""
        command = {
            "run": case.name, "plans": case.plans, "new_every": case.new_every, "steps": steps,
            "end": end,
        }  # fmt: skip
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
    distinct = {case.engine: case for case in cases}
    try:
        for name, case in distinct.items():
            engines[name] = EngineProcess(profile, folder, case, eager)
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

    NOTE: a process keeps what memory it got, and two of stock vLLM can differ for as long as they
    live. So engines are started anew, in another order, as often as the profile says.
    """
    (folder / "config.json").write_text(json.dumps(profile.model))
    cases = cases_of(profile)
    starts: list[Pairs] = []
    for start_no in range(profile.starts):
        turned = start_no * len(cases) // profile.starts
        engines = boot(profile, folder, cases[turned:] + cases[:turned], eager)
        try:
            starts.append(pairs_of(profile, cases, engines))
        finally:
            stop(engines)
    of_case = {case.name: [pairs[case.name] for pairs in starts] for case in cases}
    return [row_of(case, of_case[case.name]) | {"eager": eager} for case in cases]


def pairs_of(profile: Profile, cases: list[Case], engines: dict[str, EngineProcess]) -> Pairs:
    """Returns, for each case, step times of stock vLLM beside its own, turn by turn."""
    sittings = [cases]
    if profile.turn < profile.steps:
        named = {case.name: case for case in cases}
        sittings = [[named[case.baseline], case] for case in cases if case.name != case.baseline]
    pairs: Pairs = {case.name: [] for case in cases}
    for sitting in sittings:
        for turn in in_turn(profile, sitting, engines):
            for case in sitting:
                pairs[case.name].append((turn[case.baseline], turn[case.name]))
    return pairs


def in_turn(
    profile: Profile, sitting: list[Case], engines: dict[str, EngineProcess]
) -> Iterator[dict[str, list[float]]]:
    """Has the cases step in turn, in reverse every other time; the first time warms up.

    Between two arrivals the engine keeps its turn, so that each pays for its own newcomers.
    """
    stride = max(profile.turn, sitting[-1].new_every or 1)
    turns = profile.runs * profile.steps // stride
    for turn_no in range(1 + turns):
        end = stride == profile.steps or turn_no == turns
        taken = {}
        for case in sitting if turn_no % 2 == 0 else reversed(sitting):
            time.sleep(PAUSE)
            taken[case.name] = engines[case.engine].steps(case, stride, end=end)
        if turn_no > 0:
            yield taken


def row_of(case: Case, starts: list[list[Pair]]) -> dict[str, Any]:
    """Returns the case's ratio to stock, and its step times.

    `ratio_low` and `ratio_high` are the range of what was repeated: of the starts, each by its
    median, or of the turns where there is but one start. `ratio_error` is the standard error of
    one start's median by the turns that it is of.
    """
    ratios = [[statistics.mean(s) / statistics.mean(m) for s, m in pairs] for pairs in starts]
    medians = [statistics.median(of_start) for of_start in ratios]
    spread = medians if len(medians) > 1 else ratios[0]
    every = np.concatenate([mine for pairs in starts for _, mine in pairs]) * 1e3
    return {
        "case": case.name,
        "ratio": statistics.median(medians),
        "ratio_low": min(spread),
        "ratio_high": max(spread),
        "ratio_error": statistics.mean(error_of_median(of_start) for of_start in ratios),
        "itl_ms_p50": float(np.percentile(every, 50)),
        "itl_ms_p99": float(np.percentile(every, 99)),
        "aim": case.aim,
    }


def error_of_median(values: list[float]) -> float:
    """Returns the standard error of the median, by the bootstrap."""
    drawn = np.random.default_rng(0).choice(values, (1000, len(values)))
    return float(np.median(drawn, axis=1).std())
