"""How long the reference sweep takes: 8 layer sets x 5 alphas x 4 vectors x 8 prompts.

On the demo model, with its two vectors extracted at every block and a random twin of each. Writes
`docs/benchmarks/sweep.json` and `.md`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_demo.directions import (
    CONTRASTS,
    centred_difference,
    contrast_chats,
    last_token_states,
)
from steersman_demo.heldout import prompts as heldout
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.layer_sets import choose_layers
from steersman_vectors.message import Message
from steersman_vectors.sweep.grid import Grid, GridVector, LayerSet, check, configurations
from steersman_vectors.sweep.prompts import SweepPrompt
from steersman_vectors.sweep.results import Results, ResultsFile, read_results
from steersman_vectors.sweep.run import run
from steersman_vectors.sweep.summary import Summary, summarise
from steersman_vectors.vector import SteeringVector, from_differences
from tests.bench.pages import machine, write
from vllm_steersman.offline_engine import open_engine

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

MODEL = Path(__file__).parents[2] / "vectors/demo-model"
PAIRS = 64
RULES = ("single", "2", "sparse:2", "sparse:3", "sparse:5", "dense:0-2", "dense:3-5", "all")
ALPHAS = (0.05, 0.2, 0.35, 0.55, 0.75)
PROMPTS, MAX_TOKENS, AT_ONCE = 8, 96, 128
LAYERS = 6


def vectors() -> list[SteeringVector]:
    """Returns the demo's contrasts at every block, in scale `residual`, and their random twins."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    rng, made = np.random.default_rng(0), []
    for name in CONTRASTS:
        sides = [last_token_states(model, tokenizer, c) for c in contrast_chats(name, PAIRS)]
        norms = {
            i: float(torch.cat([s[i] for s in sides]).norm(dim=-1).mean()) for i in range(LAYERS)
        }
        found = {i: centred_difference(sides[0][i], sides[1][i]).numpy() for i in range(LAYERS)}
        drawn = {i: rng.normal(size=len(found[i])) for i in range(LAYERS)}
        for called, directions in ((name, found), (f"random-{name}", drawn)):
            made.append(
                from_differences(directions, name=called, scale="residual", residual_norms=norms)
            )
    return made


def reference_grid(made: Sequence[SteeringVector]) -> Grid:
    chosen = tuple(
        SweepPrompt(f"heldout-{i}", tuple(Message(m["role"], m["content"]) for m in p.messages))
        for i, p in enumerate(heldout(PROMPTS))
    )
    return check(
        Grid(
            model=fingerprint(MODEL).digest,
            vectors=tuple(
                GridVector(v.card.name, native.digest(native.dumps(v)), v.layers) for v in made
            ),
            layer_sets=tuple(LayerSet(rule, choose_layers(rule, LAYERS)) for rule in RULES),
            alphas=ALPHAS,
            prompts=chosen,
            max_tokens=MAX_TOKENS,
        )
    )


def test_the_reference_sweep(tmp_path: Path) -> None:
    made = vectors()
    grid = reference_grid(made)
    assert configurations(grid) == 1280
    path = tmp_path / "results.jsonl"
    by_digest = {native.digest(native.dumps(vector)): vector for vector in made}
    began = time.monotonic()
    with open_engine(MODEL, layers=None, max_num_seqs=AT_ONCE) as engine:
        booted = time.monotonic()
        with ResultsFile(path, grid) as file:
            run(engine, grid, by_digest, file)
        ended = time.monotonic()
        load = os.getloadavg()
    results = read_results(path)
    assert results.missing == 0
    record = figures(results, booted - began, ended - booted, load)
    write("sweep", record, page(record, summarise(results)))


def figures(
    results: Results, boot_s: float, sweep_s: float, load: tuple[float, float, float]
) -> dict[str, Any]:
    tokens = sum(len(row.token_ids) for row in results.rows.values())
    return {
        "machine": machine(), "configurations": configurations(results.grid),
        "answers": len(results.rows), "tokens": tokens, "boot_s": round(boot_s, 1),
        "sweep_s": round(sweep_s, 1), "answers_per_s": round(len(results.rows) / sweep_s, 2),
        "tokens_per_s": round(tokens / sweep_s, 1), "load_averages": [round(x, 1) for x in load],
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def page(record: dict[str, Any], summaries: Sequence[Summary]) -> str:
    lines = [
        "# The reference sweep",
        "",
        f"{record['machine']}. The demo model (Llama, hidden 256, {LAYERS} layers) answers "
        f"{record['configurations']:,} configurations: {len(RULES)} layer sets x {len(ALPHAS)} "
        f"alphas x 4 vectors x {PROMPTS} prompts, greedy, at most {MAX_TOKENS} tokens, {AT_ONCE} "
        "at once. Layer sets that name the same blocks share their answers. Made by `make bench`.",
        "",
        "| | |",
        "|---|---:|",
        f"| answers given | {record['answers']:,} |",
        f"| sweep | {record['sweep_s']:.0f} s |",
        f"| answers/s | {record['answers_per_s']:.1f} |",
        f"| tokens/s | {record['tokens_per_s']:,.0f} |",
        f"| start of the engine before it | {record['boot_s']:.0f} s |",
        "",
        f"torch computed on {record['threads']} thread(s) (OMP_NUM_THREADS). Load averages of the "
        "machine at the end, the sweep's own included (1, 5, 15 minutes): "
        + ", ".join(f"{x:.1f}" for x in record["load_averages"])
        + ".",
        "",
        "## Degenerate answers",
        "",
        f"Of {PROMPTS} answers each, by layer set and alpha (fraction of the mean residual norm).",
    ]
    for vector in dict.fromkeys(s.setting.vector for s in summaries if s.setting.vector):
        lines += ["", f"### {vector.name}", ""]
        lines += ["| layers | " + " | ".join(f"{alpha:g}" for alpha in ALPHAS) + " |"]
        lines += ["|---|" + "---:|" * len(ALPHAS)]
        for rule in RULES:
            own = [s for s in summaries if (s.setting.vector, s.setting.rule) == (vector, rule)]
            cells = (f"{s.degenerate_rate:.0%}" for s in own)
            named = f"{rule} ({', '.join(map(str, own[0].setting.layers))})"
            lines.append(f"| {named} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
