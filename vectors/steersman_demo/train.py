"""Train the demo model: `python -m steersman_demo.train --out vectors/demo-model`."""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from steersman_demo.batches import BATCH_TOKENS, Batch, batches
from steersman_demo.model import new_model
from steersman_demo.tokenizer import train_tokenizer

CHECKPOINT_EVERY = 200
"""Steps between checkpoints."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the trained weights."""

    seed: int = 1
    steps: int = 2800
    peak_lr: float = 2e-3
    final_lr: float = 4e-5
    warmup_steps: int = 120
    weight_decay: float = 0.05
    tokenizer_conversations: int = 12_000
    batch_tokens: int = BATCH_TOKENS


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine from `peak_lr` to `final_lr`."""
    if step < recipe.warmup_steps:
        return recipe.peak_lr * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.final_lr + (recipe.peak_lr - recipe.final_lr) * (1 + math.cos(math.pi * done)) / 2


def loss_of(model: LlamaForCausalLM, trunk: Callable[..., Any], batch: Batch) -> torch.Tensor:
    """Weighted mean next-token loss, scalar fp32. `trunk` is `model.model`, perhaps compiled."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = trunk(input_ids=batch.ids, use_cache=False).last_hidden_state[:, :-1]
        weights = batch.weights[:, 1:]
        kept = weights > 0
        logits = model.lm_head(hidden[kept])
    losses = functional.cross_entropy(logits.float(), batch.ids[:, 1:][kept], reduction="none")
    return (losses * weights[kept]).sum() / weights.sum()


def train(recipe: Recipe, out: Path, checkpoint: Path, compiled: bool = True) -> None:
    """Train by `recipe` and save to `out`; go on from `checkpoint` if it is of this recipe."""
    torch.set_num_threads(2)
    tokenizer = train_tokenizer(recipe.seed, recipe.tokenizer_conversations)
    model = new_model(tokenizer, recipe.seed)
    optimizer = torch.optim.AdamW(
        _decay_groups(model, recipe), lr=recipe.peak_lr, betas=(0.9, 0.98), fused=True
    )
    trunk = torch.compile(model.model, dynamic=True) if compiled else model.model
    first_step = _resume(checkpoint, recipe, model, optimizer)
    print(
        f"{model.num_parameters():,} parameters, steps {first_step} to {recipe.steps}", flush=True
    )
    started, tokens, recent = time.monotonic(), 0, 0.0
    stream = batches(tokenizer, recipe.seed, recipe.batch_tokens)
    for step, batch in enumerate(islice(stream, first_step, recipe.steps), first_step):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        loss = loss_of(model, trunk, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += batch.ids.numel()
        recent = loss.item() if step == first_step else 0.95 * recent + 0.05 * loss.item()
        if (step + 1) % 25 == 0:
            spent = time.monotonic() - started
            left = spent / (step + 1 - first_step) * (recipe.steps - step - 1)
            pace = f"{tokens / spent:,.0f} tokens/s, {left / 60:.1f} min left"
            print(f"step {step + 1} loss {recent:.4f} {pace}", flush=True)
        if (step + 1) % CHECKPOINT_EVERY == 0:
            _save_checkpoint(checkpoint, recipe, step + 1, model, optimizer)
    save(model, tokenizer, out)
    checkpoint.unlink(missing_ok=True)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write model (bf16 safetensors), tokenizer and generation config in Hugging Face layout."""
    out.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


def _decay_groups(model: LlamaForCausalLM, recipe: Recipe) -> list[dict[str, Any]]:
    embeddings = model.model.embed_tokens.weight
    matrices = [p for p in model.parameters() if p.ndim == 2 and p is not embeddings]
    others = [p for p in model.parameters() if p.ndim != 2 or p is embeddings]
    return [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _save_checkpoint(
    path: Path, recipe: Recipe, step: int, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "recipe": vars(recipe),
            "step": step,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
        },
        partial,
    )
    partial.replace(path)


def _resume(
    path: Path, recipe: Recipe, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer
) -> int:
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    if saved["recipe"] != vars(recipe):
        print(f"{path} is of another recipe: starting anew", flush=True)
        return 0
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(
        prog="python -m steersman_demo.train", description="Train the demo chat model on the CPU."
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the trained model (Hugging Face layout)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=Recipe.steps,
        help="optimizer steps of about 3k tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=Recipe.seed,
        help="seed of corpus, tokenizer and weights (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("build/demo-model/checkpoint.pt"),
        help="where an interrupted run goes on from (default: %(default)s)",
    )
    parser.add_argument(
        "--eager",
        action="store_true",
        help="do not compile (no C++ compiler at hand; slower, slightly different rounding)",
    )
    args = parser.parse_args()
    train(
        Recipe(seed=args.seed, steps=args.steps), args.out, args.checkpoint, compiled=not args.eager
    )


if __name__ == "__main__":
    main()
