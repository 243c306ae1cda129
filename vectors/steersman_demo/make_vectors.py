"""Make the shipped vectors from the demo model; `steersman_demo.report` adds the evidence.

`python -m steersman_demo.make_vectors --model vectors/demo-model --out vectors/library`.
"""

import argparse
import hashlib
import json
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_demo.directions import (
    CONTRASTS,
    Chat,
    centred_difference,
    contrast_chats,
    last_token_states,
)
from steersman_demo.library import save
from steersman_demo.presets import DOSES
from steersman_vectors.card import Preset
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.vector import SteeringVector, from_differences

PAIRS = 600
"""Conversations, each read under both system prompts."""


def make_vector(name: str, model_dir: Path) -> SteeringVector:
    """The vector `name` of the model: mean difference between its two system-prompt styles."""
    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    toward, away = contrast_chats(name, PAIRS)
    states = [last_token_states(model, tokenizer, chats) for chats in (toward, away)]
    dose = DOSES[name]
    return from_differences(
        {
            layer: centred_difference(states[0][layer], states[1][layer]).numpy()
            for layer in dose.layers
        },
        name=name,
        scale="raw",
        residual_norms={
            layer: float(torch.cat([side[layer] for side in states]).norm(dim=-1).mean())
            for layer in dose.layers
        },
        fingerprint=fingerprint(model_dir).digest,
        description=dose.description,
        method="mean-centred difference of contrasting system prompts at the last prompt token",
        data_hash=_hash({"toward": toward, "away": away}),
        chat_template_hash=_hash(tokenizer.chat_template),
        license="Apache-2.0",
        scope="assistant",
        schedule=dose.schedule,
        alpha_max=dose.alpha_max,
        quality={str(layer): _quality(states[0][layer], states[1][layer]) for layer in dose.layers},
        presets={preset: Preset(alpha=alpha) for preset, alpha in dose.alphas.items()},
        recipe={"command": "python -m steersman_demo.make_vectors", "pairs": PAIRS, "seed": 0},
    )


def _quality(toward: Tensor, away: Tensor) -> dict[str, JsonValue]:
    """Figures about the pairs at one layer; `toward`, `away` are fp32 `[pairs, hidden]`."""
    differences = toward - away
    unit = differences / differences.norm(dim=-1, keepdim=True)
    half = len(differences) // 2
    first, second = differences[:half].mean(0), differences[half:].mean(0)
    direction = differences.mean(0)
    middle = (toward.mean(0) + away.mean(0)) @ direction / 2
    right = (
        (toward @ direction > middle).float().mean() + (away @ direction < middle).float().mean()
    ) / 2
    return {
        "consistency": round(float((unit @ unit.T).mean()), 4),
        "split_half_cosine": round(float(torch.cosine_similarity(first, second, dim=0)), 4),
        "separation_accuracy": round(float(right), 4),
    }


def _hash(value: list[Chat] | dict[str, list[Chat]] | str) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Parse the command line and write `OUT/NAME/vector.safetensors`, and its card to read."""
    parser = argparse.ArgumentParser(prog="python -m steersman_demo.make_vectors")
    parser.add_argument("--model", type=Path, required=True, help="the trained demo model")
    parser.add_argument("--out", type=Path, required=True, help="the vector library")
    args = parser.parse_args()
    for name in CONTRASTS:
        vector = make_vector(name, args.model)
        digest = save(vector, args.out)
        print(f"{name}: layers {vector.layers}, {digest}", flush=True)


if __name__ == "__main__":
    main()
