"""The pages that benchmarks write: their tables, their plots, and the machine they were made on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.bench.profiles import Profile
from tests.bench.throughput import NEW_EVERY

OUT = Path(__file__).parents[2] / "docs/benchmarks"
WRITTEN: list[str] = []
"""The pages of this run, printed when all is over (see conftest.py)."""

HEADING = """\
# Throughput against stock vLLM, {title}

{machine}, vLLM {vllm}, model runner {runner}. A random {family} of {depth} layers of {hidden},
{dtype}, {requests} requests at once. {turns}
`ratio` is stock's step time over the case's.
`stock vLLM again` is the noise of it all. Where requests come and go, one is replaced every
{new_every} steps, and the baseline is stock vLLM under that load.
Made by `make {target}`.
"""
IN_TURN = """Stock vLLM and the case step in turn, so that both see the same
machine: stock, case, case, stock, and so on; where requests come and go, {new_every} steps at a
time. {steps} steps of either after each of {starts} starts of all engines. A start's ratio is the
median over its pairs of steps, `+-` its standard error by them; the ratio is the median over the
starts, the range goes from the lowest start to the highest. Two processes of the same kind can
differ for as long as they live, and more steps do not average that out, only more starts: it shows
where the range is wider than `+-` explains."""
IN_RUNS = """All cases run in turn, {steps} decode steps each, {runs} times,
in reverse every other time. The ratio is of mean step times, next to each other, the median over
the runs; `+-` is its standard error, the range that of the runs."""
COLUMNS = (
    "| case | ratio | +- | range | aim | inter-token ms p50 | p99 |\n"
    "|---|---:|---:|---|---|---:|---:|"
)
MODES = {False: "Compiled", True: "Eager"}


def machine() -> str:
    """Returns the processor's name and, where there is one, the GPU's."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((x.split(": ")[1] for x in lines if x.startswith("model name")), "unknown CPU")
    host = f"{name}, {os.cpu_count()} cores, {platform.system()}, torch {torch.__version__}"
    return f"{torch.cuda.get_device_name()}; {host}" if torch.cuda.is_available() else host


def write(name: str, record: dict[str, Any], page: str) -> None:
    """Writes `docs/benchmarks/NAME.json` and `.md`."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    (OUT / f"{name}.md").write_text(page)
    WRITTEN.append(page)


def write_throughput(profile: Profile, rows: list[dict[str, Any]]) -> None:
    """Writes the page, the figures and the plot of a throughput benchmark."""
    import vllm

    record = {"machine": machine(), "vllm": vllm.__version__, "rows": rows}
    name = f"throughput-{profile.name}"
    write(name, record, throughput_page(profile, record))
    plot(profile, rows, OUT / f"{name}.png")


def throughput_page(profile: Profile, record: dict[str, Any]) -> str:
    about = {
        "title": profile.title, "depth": profile.depth, "hidden": profile.hidden,
        "family": profile.model["model_type"].capitalize(),
        "dtype": {"float32": "fp32", "bfloat16": "bf16"}[profile.dtype],
        "requests": profile.requests, "runs": profile.runs, "steps": profile.steps,
        "starts": profile.starts, "runner": profile.runner, "new_every": NEW_EVERY,
        "target": "bench-gpu" if profile.name.startswith("gpu") else "bench",
    }  # fmt: skip
    about["turns"] = (IN_TURN if profile.turn < profile.steps else IN_RUNS).format(**about)
    out = [HEADING.format(**about, machine=record["machine"], vllm=record["vllm"])]
    for eager in profile.modes:
        out += [f"## {MODES[eager]}", "", COLUMNS]
        out += [line(row) for row in record["rows"] if row["eager"] == eager] + [""]
    return "\n".join([*out, f"![Ratios](throughput-{profile.name}.png)", ""])


def line(row: dict[str, Any]) -> str:
    aim = ""
    if row["aim"] is not None and not row["eager"]:
        aim = f">= {row['aim']}: {verdict(row)}"
    return (
        f"| {row['case']} | {row['ratio']:.4f} | {row['ratio_error']:.4f} "
        f"| {row['ratio_low']:.4f} to {row['ratio_high']:.4f} | {aim} "
        f"| {row['itl_ms_p50']:.1f} | {row['itl_ms_p99']:.1f} |"
    )


def verdict(row: dict[str, Any]) -> str:
    """Returns whether the aim is met: by every start, by none, or by some."""
    if row["ratio_low"] >= row["aim"]:
        return "met"
    if row["ratio_high"] < row["aim"]:
        return "**missed**"
    return "met, within noise" if row["ratio"] >= row["aim"] else "**missed**, within noise"


def plot(profile: Profile, rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    wide = 1.5 + 4.75 * len(profile.modes)
    figure, axes = plt.subplots(
        1, len(profile.modes), figsize=(wide, 4), sharey=True, layout="constrained", squeeze=False
    )
    for axis, eager in zip(axes[0], profile.modes, strict=True):
        shown = [row for row in rows if row["eager"] == eager][::-1]
        middle = [row["ratio"] for row in shown]
        spread = [
            [m - row["ratio_low"] for m, row in zip(middle, shown, strict=True)],
            [row["ratio_high"] - m for m, row in zip(middle, shown, strict=True)],
        ]
        axis.errorbar(middle, range(len(shown)), xerr=spread, fmt="o", color="#0f766e", capsize=3)
        axis.axvline(1.0, color="#9ca3af", zorder=0)
        axis.set_yticks(range(len(shown)), [row["case"] for row in shown])
        axis.set_title(MODES[eager].lower())
        axis.set_xlabel("throughput, ratio to stock vLLM")
        axis.grid(axis="x", color="#f3f4f6")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def table_by_length(
    rows: Mapping[str, Mapping[str, Sequence[float]]], lengths: Sequence[int]
) -> list[str]:
    """Returns the lines of a table: p50 / p99 of each kind of text, by its length."""
    lines = [
        "| text | " + " | ".join(f"{length:,} characters" for length in lengths) + " |",
        "|---|" + "---:|" * len(lengths),
    ]
    for kind, by_length in rows.items():
        cells = (f"{p50:.0f} / {p99:.0f}" for p50, p99 in by_length.values())
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return lines
