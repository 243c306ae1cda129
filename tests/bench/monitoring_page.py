"""`docs/benchmarks/monitoring.md`, made of what was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median
from typing import Any

from steersman_server.monitor.engine_watch import EVERY_S
from steersman_server.quality.logprob_gate import LOGPROB_SHARE
from steersman_server.quality.sampler import QUALITY_SAMPLE
from tests.bench.monitored_requests import NOTHING, QUALITY, TOKENS
from tests.bench.pages import OUT

BUDGET = 0.005
"""Of throughput."""
REQUEST_COST = (
    "Steersman, policy and intent, steered",
    f"{TOKENS} tokens, one request after the other",
)

INTRODUCTION = """\
# What watching costs

{machine}. Processor time unless it says otherwise; every other turn in reverse, medians, and in
brackets the quartiles. At default settings: `--quality-sample {sample:g}`,
`--quality-logprob-share {share:g}`. Budget: {budget:.1%} of throughput. Made by
`make bench-monitoring`.
"""

STEPS = """\
## Steps in which a request asks for log-probabilities

vLLM takes a log-softmax of the whole batch and vocabulary then. Random Llamas of fp32, compiled,
{batch} requests that decode greedily, one thread. *By default* is `{share:g}` of what it adds,
since a request asks for that share of time at most. *The same again* is the noise: turns in which
none asks against turns in which none asks.

| model | vocabulary | step, ms | one asks: added, ms | added | by default | the same again |
|---|---:|---:|---:|---:|---:|---:|"""

REQUESTS = """\
## Requests, in the API process

{tokens} outputs each, through real admission with one steered vector, by what is watched. All
threads are in it, so also those that write lines and judge. The whole of the process is what
[the server's page](server.md) has for such a request: {whole_us:,.0f} us. A server is slowed down
by this only where its API processes are what limits it; more of them can be started.

| watched | us per request | added | of the process |
|---|---:|---:|---:|"""

WORKERS = """\
## Workers, and what is asked of them

| what | cost | how often | of the time |
|---|---:|---|---:|"""

SERVERS = """\
## Servers side by side

A Llama of 4 layers of 128, compiled, 50 clients, {tokens} tokens; all servers run on the same two
cores as the client, loaded in turn for {rounds} rounds. Difference to `--quality-sample 0` in the
same round. Wall time of a machine of two cores: where the quartiles of the last line are wider
than the budget, this cannot tell whether it is kept, only that nothing is far off.

| server | requests/s | difference | CPU ms of the API process | difference |
|---|---:|---:|---:|---:|"""


def page(record: dict[str, Any]) -> str:
    """Returns the page; parts that were not measured are left out."""
    out = [INTRODUCTION.format(machine=record["machine"], sample=QUALITY_SAMPLE,
                               share=LOGPROB_SHARE, budget=BUDGET)]  # fmt: skip
    if "steps" in record:
        out += [STEPS.format(batch=record["steps"][0]["batch"], share=LOGPROB_SHARE)]
        out += [*map(_step, record["steps"]), "", _per_logit(record["steps"]), ""]
    if "request_us" in record:
        whole = _whole_request_us()
        out += [REQUESTS.format(tokens=TOKENS, whole_us=whole)]
        out += _requests(record["request_us"], whole)
    if {"step_us", "look_us", "steps"} <= set(record):
        out += ["", WORKERS, *_workers(record)]
    if "servers" in record:
        rounds = 1 + max(row["round"] for row in record["servers"])
        out += ["", SERVERS.format(tokens=TOKENS, rounds=rounds), *_servers(record["servers"])]
    if {"steps", "request_us", "step_us", "look_us"} <= set(record):
        out += ["", *_verdict(record)]
    return "\n".join(out) + "\n"


def added(row: dict[str, Any]) -> float:
    """Returns by what part a step is longer in which a request asks."""
    return median(one / none - 1.0 for none, one in row["pairs"])


def _step(row: dict[str, Any]) -> str:
    ratios = [one / none - 1.0 for none, one in row["pairs"]]
    ms = median(one - none for none, one in row["pairs"]) * 1e3
    again = median(abs(b / a - 1.0) for a, b in row["nothing_changed"])
    return (
        f"| {row['shape']} | {row['vocabulary']:,} | {row['step_s'] * 1e3:.1f} | {ms:+.2f} "
        f"| {spread(ratios, '+.1%')} | {added(row) * LOGPROB_SHARE:+.2%} | {again:.1%} |"
    )


def _per_logit(rows: Sequence[dict[str, Any]]) -> str:
    ns = [
        median(one - none for none, one in row["pairs"]) / row["batch"] / row["vocabulary"] * 1e9
        for row in rows
    ]
    return (
        f"That is {min(ns):.1f} to {max(ns):.1f} ns for each of the batch's logits, the lowest "
        "where what is added is within the noise. These models have few weights for each entry of "
        "their vocabulary, and so pay the most. Worked out, not "
        "measured: where memory is the limit, as on a GPU, a log-softmax moves some 10 bytes per "
        "logit, and the step at least the weights. With 64 requests and a vocabulary of 128,256 "
        "that is 82 MB beside 16 GB for a model of 8 billion weights in bf16, 0.5% of a step and "
        f"{0.005 * LOGPROB_SHARE:.2%} by default; with 256 requests four times that. A model of "
        "half a billion weights is beyond the budget at 256: lower the share there."
    )


def _requests(took: dict[str, list[float]], whole_us: float) -> list[str]:
    lines = []
    for what, values in took.items():
        more = [value - base for value, base in zip(values, took[NOTHING], strict=True)]
        cells = ("", "") if what == NOTHING else (
            spread(more, "+.1f"), f"{median(more) / whole_us:.2%}")  # fmt: skip
        lines.append(f"| {what} | {median(values):.1f} | {' | '.join(cells)} |")
    return lines


def _workers(record: dict[str, Any]) -> list[str]:
    step_s = min(row["step_s"] for row in record["steps"])
    question_s = max(row["question_s"] for row in record["steps"])
    counting, moved = (record["step_us"][what] for what in (
        "counting", "counting of a step whose gates moved"))  # fmt: skip
    looks = record["look_us"]
    per_step = f"each step; the shortest above takes {step_s * 1e3:.0f} ms"
    return [
        f"| counting | {counting:.2f} us | {per_step} | {counting / 1e6 / step_s:.4%} |",
        f"| the same, where gates moved | {counting + moved:.2f} us | {per_step} "
        f"| {(counting + moved) / 1e6 / step_s:.4%} |",
        f"| a question to the workers, in the engine | {question_s * 1e6:.0f} us "
        f"| every {EVERY_S:g} s | {question_s / EVERY_S:.4%} |",
        f"| what its answer is made of, in one API process | {looks['engine']:.0f} us "
        f"| every {EVERY_S:g} s | {looks['engine'] / 1e6 / EVERY_S:.4%} |",
        f"| where the registry stands, in each API process | {looks['registry']:.0f} us "
        f"| every second | {looks['registry'] / 1e6:.4%} |",
    ]


def _servers(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(row["target"] for row in rows))
    base = names[1]

    def of(name: str, what: str) -> list[float]:
        return [row[what] for row in rows if row["target"] == name]

    lines = []
    for name in (base, names[0], *names[2:]):
        cells = []
        for what, places, sign in (("per_s", ".1f", "+.1%"), ("cpu_ms", ".2f", "+.1%")):
            ratios = [a / b - 1.0 for a, b in zip(of(name, what), of(base, what), strict=True)]
            cells += [f"{median(of(name, what)):{places}}",
                      "" if name == base else spread(ratios, sign)]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _verdict(record: dict[str, Any]) -> list[str]:
    step_s = min(row["step_s"] for row in record["steps"])
    question_s = max(row["question_s"] for row in record["steps"])
    always = record["step_us"]["counting"] / 1e6 / step_s + question_s / EVERY_S
    of_engine = {(row["shape"], row["vocabulary"]): added(row) * LOGPROB_SHARE + always
                 for row in record["steps"]}  # fmt: skip
    took = record["request_us"]
    more_us = median(a - b for a, b in zip(took[QUALITY], took[NOTHING], strict=True))
    of_process, of_cores = more_us / _whole_request_us(), more_us / _cores_us()
    lines = [
        "## Together, by default",
        "",
        f"Where the engine limits throughput: log-probabilities for {LOGPROB_SHARE:g} of the time, "
        "counting, questions.",
        "",
        *(f"- {shape}, vocabulary {vocabulary:,}: {share:.2%}, {_met(share)}"
          for (shape, vocabulary), share in of_engine.items()),
        "",
        f"Where the cores limit it, which API process and engine share, as on the server's page: "
        f"what watching adds in the API process is {of_cores:.2%} of what they do for a request of "
        f"{TOKENS} tokens, {_met(of_cores)} by itself. The engine's part, log-probabilities "
        "included, is on top: what the lines above have for a model, of the engine's share of the "
        "cores.",
        "",
        f"Where an API process limits it: {of_process:.2%} of what it does for such a request, "
        f"{_met(of_process)}.",
        "",
        "The larger the model beside its vocabulary, the smaller the first. "
        "`--quality-logprob-share 0` takes log-probabilities out, `--quality-sample 0` all that "
        "looks at answers.",
    ]  # fmt: skip
    return lines


def _met(share: float) -> str:
    return "met" if share < BUDGET else "**missed**"


def _whole_request_us() -> float:
    """Returns what the API process spends on a request, of the server's own page."""
    return 1e3 * median(row["cpu_ms"] for row in _of_server_page())


def _cores_us() -> float:
    """Returns what all cores of that page's machine, of which there are two, spend on one."""
    return 2e6 / median(row["per_s"] for row in _of_server_page())


def _of_server_page() -> list[dict[str, Any]]:
    target, kind = REQUEST_COST
    rows = json.loads((OUT / "server.json").read_text())["rows"]
    return [row for row in rows if (row["target"], row["load"]) == (target, kind)]


def spread(values: Sequence[float], form: str) -> str:
    """Returns the median, with the quartiles behind it."""
    ordered = sorted(values)
    low, high = (ordered[round(q * (len(ordered) - 1))] for q in (0.25, 0.75))
    return f"{median(values):{form}} ({low:{form}} to {high:{form}})"
