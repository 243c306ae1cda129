"""Steered against stock vLLM: one run, interleaved, as ratios with their spread.

Writes `docs/benchmarks/throughput-cpu.json`, `.md` and `.png`; about a quarter of an hour.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs/benchmarks"
HIDDEN, DEPTH, REQUESTS, TOKENS, ROUNDS = 1024, 12, 16, 33, 7
LINEAR = {"kind": "linear", "tokens": 1_000_000, "floor": 0.1}


@dataclass(frozen=True)
class Case:
    """An engine, what each of its requests carries, and the ratio to stock that is aimed for."""

    name: str
    layers: list[int] | str | None
    plans: list = field(default_factory=lambda: [None] * REQUESTS)
    aim: float | None = None


def same(*names: str, **more) -> list[dict]:
    return [{"alphas": dict.fromkeys(names, 0.5), **more}] * REQUESTS


FIVE = [1, 3, 5, 7, 9]
CASES = [
    Case("stock vLLM", None),
    Case("stock vLLM again", None),
    Case("idle, 5 layers hooked", FIVE, aim=0.995),
    Case("idle, every layer hooked", "all", aim=0.995),
    Case("steered at 1 layer", [6], same("one")),
    Case("steered at 5 layers", FIVE, same("one"), 0.99),
    Case("steered at every layer", "all", same("one"), 0.97),
    Case("three vectors at every layer", "all", same("one", "two", "three"), 0.97),
    Case(
        "every request its own plan",
        "all",
        [{"alphas": {"one": 0.5 + i / 100}} for i in range(REQUESTS)],
        0.97,
    ),
    Case("a schedule on every request", "all", same("one", schedule=LINEAR), 0.97),
]


class Engine:
    """An `engine_process.py`, started once for all cases that share its hooks."""

    def __init__(self, model: Path, layers, eager: bool) -> None:
        options = {
            "model": str(model), "layers": layers, "eager": eager, "dtype": "float32",
            "requests": REQUESTS, "hidden": HIDDEN, "depth": DEPTH,
        }  # fmt: skip
        environment = os.environ | {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_LOGGING_LEVEL": "ERROR",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_PLUGINS": "" if layers is None else "steersman",
        }
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("engine_process.py"), json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert json.loads(self.process.stdout.readline())["ready"]

    def steps(self, plans: list) -> list[float]:
        command = json.dumps({"plans": plans, "tokens": TOKENS})
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["steps"]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8000, hidden_size=HIDDEN, intermediate_size=2816, num_hidden_layers=DEPTH,
        num_attention_heads=16, num_key_value_heads=8, max_position_embeddings=1024,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("bench") / "llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def measure(model: Path, eager: bool) -> list[dict]:
    engines: dict[str, Engine] = {}
    for case in CASES:
        if str(case.layers) not in engines:
            engines[str(case.layers)] = Engine(model, case.layers, eager)
    try:
        for case in CASES:  # warm up
            engines[str(case.layers)].steps(case.plans)
        times: dict[str, list[list[float]]] = {case.name: [] for case in CASES}
        for round_no in range(ROUNDS):
            for case in CASES if round_no % 2 == 0 else reversed(CASES):
                times[case.name].append(engines[str(case.layers)].steps(case.plans))
    finally:
        for engine in engines.values():
            engine.stop()
    rows = []
    stock = [statistics.median(steps) for steps in times[CASES[0].name]]
    for case in CASES:
        mine = [statistics.median(steps) for steps in times[case.name]]
        ratios = [s / m for s, m in zip(stock, mine, strict=True)]
        every = np.array(times[case.name]).ravel() * 1e3
        rows.append(
            {
                "case": case.name,
                "eager": eager,
                "ratio": statistics.median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "itl_ms_p50": float(np.percentile(every, 50)),
                "itl_ms_p99": float(np.percentile(every, 99)),
                "aim": case.aim,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((x.split(": ")[1] for x in lines if x.startswith("model name")), "unknown CPU")
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, torch {torch.__version__}"


HEADING = """\
# Throughput against stock vLLM, CPU

{machine}, vLLM {vllm}. A random Llama of {depth} layers of {hidden}, fp32, {requests} requests
at once, {steps} decode steps, {rounds} interleaved rounds. `ratio` is stock's median step time over
the case's in the same round: the median of the rounds, with their range. `stock vLLM again` is the
noise. Made by `make bench`.
"""
COLUMNS = "| case | ratio | range | aim | inter-token ms p50 | p99 |\n|---|---:|---|---|---:|---:|"


def page(record: dict) -> str:
    sizes = {"depth": DEPTH, "hidden": HIDDEN, "requests": REQUESTS, "rounds": ROUNDS}
    out = [HEADING.format(**sizes, **record, steps=TOKENS - 1)]
    for eager in (False, True):
        out += [f"## {'Eager' if eager else 'Compiled'}", "", COLUMNS]
        out += [line(row) for row in record["rows"] if row["eager"] == eager] + [""]
    return "\n".join([*out, "![Ratios](throughput-cpu.png)", ""])


def line(row: dict) -> str:
    aim = ""
    if row["aim"] is not None and not row["eager"]:
        aim = f">= {row['aim']}: " + ("met" if row["ratio"] >= row["aim"] else "**missed**")
    return (
        f"| {row['case']} | {row['ratio']:.3f} | {row['ratio_low']:.3f} to {row['ratio_high']:.3f} "
        f"| {aim} | {row['itl_ms_p50']:.1f} | {row['itl_ms_p99']:.1f} |"
    )


def plot(record: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    for axis, eager in zip(axes, (False, True), strict=True):
        rows = [row for row in record["rows"] if row["eager"] == eager][::-1]
        middle = [row["ratio"] for row in rows]
        spread = [
            [m - row["ratio_low"] for m, row in zip(middle, rows, strict=True)],
            [row["ratio_high"] - m for m, row in zip(middle, rows, strict=True)],
        ]
        axis.errorbar(middle, range(len(rows)), xerr=spread, fmt="o", color="#0f766e", capsize=3)
        axis.axvline(1.0, color="#9ca3af", zorder=0)
        axis.set_yticks(range(len(rows)), [row["case"] for row in rows])
        axis.set_title("eager" if eager else "compiled")
        axis.set_xlabel("throughput, ratio to stock vLLM")
        axis.grid(axis="x", color="#f3f4f6")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def test_throughput_against_stock(model):
    import vllm

    rows = measure(model, eager=False) + measure(model, eager=True)
    record = {"machine": machine(), "vllm": vllm.__version__, "rows": rows}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "throughput-cpu.json").write_text(json.dumps(record, indent=1) + "\n")
    (OUT / "throughput-cpu.md").write_text(page(record))
    plot(record, OUT / "throughput-cpu.png")
    assert all(row["ratio"] > 0.5 for row in rows), "steering must never halve the speed"
