"""Every finding, on one pass over the pairs and one engine."""

import time
from pathlib import Path

from steersman_demo.findings import few_pairs, layer_metrics, layer_sets, portability
from steersman_demo.findings.bench import Tell, open_bench
from steersman_demo.findings.record import Findings
from steersman_demo.findings.states import read_states

PAIRS = 400
"""Of each behaviour at each position."""
PROMPTS, FEWER_PROMPTS, KL_PROMPTS = 96, 64, 16
LAYER = 2
"""Where the shipped vectors act."""
ALPHA = 0.2
"""Moves every layer's answers and leaves them whole."""
TOTALS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)


def measure(model_dir: Path, tell: Tell) -> Findings:
    """Reads, steers and judges; the same each time but for the low bits of the engine's sums."""
    started = time.monotonic()
    states = read_states(model_dir, PAIRS, tell)
    main = states["empathy", "prompt-last"]
    with open_bench(model_dir, PROMPTS, tell) as bench:
        sets = layer_sets.measure(
            bench, main, position="prompt-last", totals=TOTALS,
            prompts=FEWER_PROMPTS, kl_prompts=KL_PROMPTS,
        )  # fmt: skip
        scales = portability.measure(
            bench, main, position="prompt-last",
            doses={
                "residual": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6),
                "token": (0.1, 0.2, 0.3, 0.45, 0.7),
            },
            prompts=PROMPTS, kl_prompts=KL_PROMPTS,
        )  # fmt: skip
        metrics = layer_metrics.measure(
            bench, states, alphas={"prompt-last": ALPHA, "answer": 0.5}, prompts=PROMPTS
        )
        few = few_pairs.measure(
            bench, states, position="prompt-last", layer=LAYER, alpha=ALPHA, prompts=FEWER_PROMPTS
        )
        return Findings(
            seconds=round(time.monotonic() - started),
            answers=bench.asked,
            pairs=PAIRS,
            few_pairs=few,
            layer_sets=sets,
            portability=scales,
            layer_metrics=metrics,
        )
