"""Extraction's tokens a second, against a bare forward loop over the same model and batches.

Writes `docs/benchmarks/extract.json` and `.md`. On a GPU where there is one; else on one core, by
the process's processor time, so that the machine's other work does not count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, LlamaConfig, LlamaForCausalLM

from steersman_vectors.extract.batches import by_length, chunks
from steersman_vectors.extract.contract import Read
from steersman_vectors.extract.hf import open_source
from steersman_vectors.extract.run import BATCHES_A_CHUNK
from steersman_vectors.extract.states import StoreShape, open_store
from tests.bench.pages import machine, write

pytestmark = pytest.mark.bench

AIM = 0.9
BATCH_TOKENS = 4096 if torch.cuda.is_available() else 1024
DEMO = Path(__file__).parents[2] / "vectors/demo-model"
MIDDLE = LlamaConfig(
    vocab_size=4096, hidden_size=768, intermediate_size=2048, num_hidden_layers=6,
    num_attention_heads=12, num_key_value_heads=4, max_position_embeddings=2048,
)  # fmt: skip
LARGE = LlamaConfig(
    vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=16,
    num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=2048,
)  # fmt: skip
EXAMPLES = {"demo model": 48, "hidden 768, 6 layers": 12, "hidden 4096, 16 layers": 2000}
ROUNDS = 3


def reads_of(count: int, vocabulary: int) -> list[Read]:
    """Returns examples of 40 to 200 tokens, of which the last 10 to 60 are the answer."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        prompt, answer = int(rng.integers(30, 141)), int(rng.integers(10, 61))
        ids = tuple(map(int, rng.integers(0, vocabulary, size=prompt + answer)))
        made.append(Read(ids, ((prompt, prompt + answer),)))
    return made


def bare(model: Any, reads: list[Read], batches: list[list[int]], device: str) -> None:
    """Runs the model over the batches and looks at nothing."""
    with torch.inference_mode():
        for batch in batches:
            rows = [reads[i].token_ids for i in batch]
            width = max(map(len, rows))
            ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
            model(input_ids=ids.to(device), use_cache=False)
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], None]) -> float:
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    started = clock()
    work()
    return clock() - started


def measured(model_dir: Path, count: int, dtype: str, workdir: Path) -> dict[str, Any]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModel.from_pretrained(model_dir, dtype=getattr(torch, dtype)).eval().to(device)
    reads = reads_of(count, model.config.vocab_size)
    lengths = [len(read.token_ids) for read in reads]
    batches = by_length(lengths, BATCH_TOKENS)
    plan = chunks(batches, BATCHES_A_CHUNK)
    layers, hidden = model.config.num_hidden_layers, model.config.hidden_size
    shape = StoreShape(tuple(range(layers)), count // 2, count - count // 2, hidden, len(plan))
    times: dict[str, list[float]] = {"bare forwards": [], "states read": [], "read and kept": []}
    with open_source(model_dir, layers=None, dtype=dtype, batch_tokens=BATCH_TOKENS) as source:  # type: ignore[arg-type]

        def read() -> None:
            for _ in source.read(reads):
                pass

        def keep(key: int) -> None:
            with open_store(workdir, {"round": key}, shape) as store:
                for k, chunk in enumerate(plan):
                    for at, states in source.read([reads[i] for i in chunk]):
                        store.put(chunk[at], states)
                    store.mark(k)

        bare(model, reads, batches[:2], device)
        for k in range(ROUNDS):
            times["bare forwards"].append(seconds(lambda: bare(model, reads, batches, device)))
            times["states read"].append(seconds(read))
            times["read and kept"].append(seconds(lambda k=k: keep(k)))  # type: ignore[misc]
    base = times["bare forwards"]
    return {
        "device": device, "dtype": dtype, "layers": layers, "hidden": hidden, "examples": count,
        "tokens": sum(lengths), "batches": len(batches),
        "rows": {
            name: {
                "tokens_a_second": sum(lengths) / statistics.median(found),
                "ratio": statistics.median(b / t for b, t in zip(base, found, strict=True)),
                "range": [min(b / t for b, t in zip(base, found, strict=True)),
                          max(b / t for b, t in zip(base, found, strict=True))],
            }
            for name, found in times.items()
        },
    }  # fmt: skip


def test_extract(tmp_path: Path) -> None:
    gpu = torch.cuda.is_available()
    if not gpu:
        torch.set_num_threads(1)
    models = {"demo model": DEMO}
    random = {"hidden 4096, 16 layers": LARGE} if gpu else {"hidden 768, 6 layers": MIDDLE}
    for name, config in random.items():
        torch.manual_seed(0)
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(tmp_path / "random")
        models[name] = tmp_path / "random"
    dtype = "bfloat16" if gpu else "float32"
    found = {
        name: measured(folder, EXAMPLES[name], dtype, tmp_path / f"states-{i}")
        for i, (name, folder) in enumerate(models.items())
    }
    name = "extract-gpu" if gpu else "extract"
    write(name, {"machine": machine(), "models": found}, page(found))
    largest = found[next(iter(random))]["rows"]["read and kept"]["ratio"]
    assert largest > AIM


def page(found: dict[str, dict[str, Any]]) -> str:
    gpu = torch.cuda.is_available()
    how = "on the GPU, by the clock" if gpu else "on one core, by the process's processor time"
    lines = [
        "# Extraction against a bare forward loop",
        "",
        f"{machine()}; {how}. Examples of 40 to 200 tokens, of which the mean over the last 10 to "
        f"60 is read at every layer, in batches of at most {BATCH_TOKENS:,} tokens. "
        "`bare forwards` runs the same model over the same batches and looks at nothing; the three "
        f"take turns, {ROUNDS} times. The ratio is bare time over the case's, median and range of "
        "the rounds. Tokens without padding. Made by `make bench`.",
        "",
        f"Aim: {AIM:.0%} of the bare loop on the larger model.",
    ]
    for name, model in found.items():
        lines += [
            "",
            f"## {name[0].upper() + name[1:]}, {model['dtype']} on {model['device']}",
            "",
            f"{model['examples']:,} examples, {model['tokens']:,} tokens, "
            f"{model['batches']} batches.",
            "",
            "| case | tokens a second | ratio | range |",
            "|---|---:|---:|---|",
            *(
                f"| {case} | {row['tokens_a_second']:,.0f} | {row['ratio']:.2f} | "
                f"{row['range'][0]:.2f} to {row['range'][1]:.2f} |"
                for case, row in model["rows"].items()
            ),
        ]
    return "\n".join(lines) + "\n"
