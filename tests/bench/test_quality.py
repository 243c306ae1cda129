"""What judging an answer costs, by length and kind of text, and what the tap costs per output.

Writes `docs/benchmarks/quality.json` and `.md`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from steersman_demo.quality.texts import TEST, TUNE, read
from steersman_server.admission.decision import Decision
from steersman_server.quality.logprob_gate import LogprobGate
from steersman_server.quality.tap import Tap
from steersman_vectors.quality.judge import judge
from steersman_vectors.quality.judgement import Judgement
from tests.bench.pages import machine, table_by_length, write
from tests.bench.test_intents import CHINESE, GERMAN, RUSSIAN, one_core, percentiles, times_us

pytestmark = pytest.mark.bench

LENGTHS = (500, 2000, 8000, 100_000)
TEXTS, ROUNDS = 60, 5
OUTPUTS = 20_000
AIM_JUDGE_MS, AIM_TAP_US = 1.0, 2.0
PROMPT = "Where is my order, and what do I have to do so that it is here by Friday?"


def of(words: list[str]) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(words) + " "


def prose() -> list[str]:
    """Returns the fine English texts that were written by hand."""
    texts = [t for path in (TUNE, TEST) for t in read(path) if not Judgement(t.found).degenerate]
    return [t.text for t in texts if t.text.isascii() and len(t.text) > 200 and "\n" not in t.text]


KINDS: dict[str, Callable[[random.Random], str]] = {
    "English": of(prose()),
    "German": of(GERMAN.split(". ")),
    "Russian": of(RUSSIAN.split(". ")),
    "Chinese": of(CHINESE.split("，")),  # noqa: RUF001
    "code": lambda rng: f"    value_{rng.randrange(99)} = call(x, y={rng.randrange(99)})\n",
    "a loop": lambda rng: "and we will let you know ",
    "words never seen": lambda rng: "".join(rng.choices("abcdefghijkl", k=rng.randint(3, 9))) + " ",
    "characters at random": lambda rng: "".join(map(chr, rng.choices(range(32, 0x2FFF), k=50))),
    "quotes and apostrophes": lambda rng: rng.choice(["a'", "'", "b’", '"', "I'II'I"]),
    "words grown together": lambda rng: rng.choice(["IWe", "So", "thankI", "Oh", "don't", "I"]),
}


def texts(kind: Callable[[random.Random], str], length: int) -> list[str]:
    rng, made = random.Random(length), []
    for _ in range(TEXTS):
        parts, size = [], 0
        while size < length:
            parts.append(kind(rng))
            size += len(parts[-1])
        made.append("".join(parts)[:length])
    return made


def tap_us(deltas: bool) -> float:
    """Returns the processor time that the tap adds to one output, least of several runs."""
    outputs = [
        SimpleNamespace(outputs=[SimpleNamespace(
            index=0, text=" word", token_ids=[7], cumulative_logprob=-1.0, finish_reason=None
        )])
    ] * OUTPUTS  # fmt: skip

    async def engine() -> Any:
        for output in outputs:
            yield output

    async def client(stream: Any) -> float:
        started = time.thread_time_ns()
        async for _ in stream:
            pass
        return (time.thread_time_ns() - started) / 1e3 / OUTPUTS

    def tapped() -> Any:
        decision = Decision(None, (), "default", 1)
        tap = Tap("id", decision, "", lambda observed: None, LogprobGate(1.0))
        return tap.through(lambda asks: (None, engine()), deltas=deltas, may_ask=True)

    plain = min(asyncio.run(client(engine())) for _ in range(9))
    return min(asyncio.run(client(tapped())) for _ in range(9)) - plain


def test_quality() -> None:
    rows: dict[str, dict[str, list[float]]] = {}
    undisturbed = [0.0, 0.0]
    with one_core():
        for name, kind in KINDS.items():
            rows[name] = {}
            for length in LENGTHS:
                given = texts(kind, length)
                times = times_us(lambda text: judge(PROMPT, text, "stop"), given, ROUNDS)
                rows[name][str(length)] = percentiles(times)
                if (name, length) == ("English", 2000):
                    undisturbed = percentiles(times.min(axis=0))
        tap = {"deltas": tap_us(True), "whole texts": tap_us(False)}
    record = {
        "machine": machine(), "p50_p99_us": rows, "fastest_of_each_us": undisturbed,
        "tap_us": {kind: round(us, 2) for kind, us in tap.items()},
    }  # fmt: skip
    write("quality", record, page(record))
    assert undisturbed[1] < 1e3 * AIM_JUDGE_MS
    assert max(tap.values()) < AIM_TAP_US


def page(record: dict[str, Any]) -> str:
    rows, tap = record["p50_p99_us"], record["tap_us"]
    p99 = rows["English"]["2000"][1] / 1e3
    longest = max(row["100000"][1] for row in rows.values()) / 1e3
    lines = [
        "# Judging answers",
        "",
        f"{record['machine']}, pinned to one core. {TEXTS} texts of each kind and length, each",
        f"{ROUNDS} times; microseconds of the thread's processor time, p50 / p99. Made by "
        "`make bench`.",
        "",
        f"Aim: below {AIM_JUDGE_MS} ms for 2,000 characters of English: p99 {p99:.2f} ms, "
        f"{'met' if p99 < AIM_JUDGE_MS else '**missed**'}; of each text's fastest call "
        f"{record['fastest_of_each_us'][1] / 1e3:.2f} ms.",
        "",
        *table_by_length(rows, LENGTHS),
    ]
    slowest = max(tap.values())
    lines += [
        "",
        "Of an answer longer than 8,000 characters the first 3,000 and the last 5,000 are looked "
        f"at: the slowest of these texts of 100,000 characters takes {longest:.1f} ms (p99).",
        "",
        f"The tap adds {tap['deltas']:.2f} us to an output of a stream, and "
        f"{tap['whole texts']:.2f} us to one that holds the whole text. Aim: below {AIM_TAP_US:g} "
        f"us, {'met' if slowest < AIM_TAP_US else '**missed**'}.",
    ]
    return "\n".join(lines) + "\n"
