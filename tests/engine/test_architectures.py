"""Law 2 on other architectures: tiny random weights, every layer steered, against Hugging Face."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import transformers as hf

from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Linear
from steersman_vectors.vector import SteeringVector
from tests.engine.engines import TOLERANCE, largest_error, make_vectors
from tests.engine.reference import HuggingFaceReference
from tests.tiny_model import HIDDEN, LAYERS, build_tokenizer

pytestmark = pytest.mark.engine

VOCABULARY = 320
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": 192,
    "num_hidden_layers": LAYERS, "num_attention_heads": 2, "num_key_value_heads": 2,
    "max_position_embeddings": 512, "initializer_range": 0.2,
    "eos_token_id": 1, "bos_token_id": None, "pad_token_id": 1,
}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 96}


@dataclass(frozen=True)
class Architecture:
    """A config class, the model class it belongs to, and what differs from `SHAPE`."""

    config: type
    model: type
    changes: dict = field(default_factory=dict)
    blocks: Callable = lambda model: model.model.layers
    own_process: bool = False
    """vLLM's backend for Hugging Face models edits their classes, which the reference needs."""

    def build(self, folder: Path) -> Path:
        torch.manual_seed(0)
        wanted = SHAPE | self.changes
        self.model(self.config(**wanted)).to(torch.float32).save_pretrained(folder)
        build_tokenizer(folder)
        return folder


ARCHITECTURES = {
    "qwen2": Architecture(hf.Qwen2Config, hf.Qwen2ForCausalLM),
    "qwen3": Architecture(hf.Qwen3Config, hf.Qwen3ForCausalLM, {"head_dim": 64}),
    "gemma3": Architecture(
        hf.Gemma3TextConfig,
        hf.Gemma3ForCausalLM,
        {
            "head_dim": 64,
            "sliding_window": 32,
            "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
        },
    ),
    "mistral": Architecture(
        hf.MistralConfig, hf.MistralForCausalLM, {"sliding_window": None, "head_dim": 64}
    ),
    "phi3": Architecture(hf.Phi3Config, hf.Phi3ForCausalLM),
    "olmo2": Architecture(hf.Olmo2Config, hf.Olmo2ForCausalLM, own_process=True),
    "qwen3_moe": Architecture(
        hf.Qwen3MoeConfig, hf.Qwen3MoeForCausalLM, {"head_dim": 64, **EXPERTS}
    ),
    "gpt2": Architecture(
        hf.GPT2Config,
        hf.GPT2LMHeadModel,
        {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": 2, "n_positions": 512},
        blocks=lambda model: model.transformer.h,
    ),
}


def random_plan(rng: random.Random, length: int, vectors: dict[str, SteeringVector]):
    digests = {name: native.digest(native.dumps(v)) for name, v in vectors.items()}
    doses = {"raw": 1.0, "unit": 16.0, "residual": 0.3, "token": 0.4}
    names = rng.sample(sorted(doses), rng.randrange(1, 5))
    start = rng.randrange(1, length // 2)
    return SteeringPlan(
        terms=tuple((digests[n], rng.choice([-1, 1]) * doses[n]) for n in names),
        schedule=rng.choice([CONSTANT, Linear(tokens=9, floor=0.3)]),
        turns=((start, start + 3), (length - 1, None)),
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_steered_log_probabilities_equal_hugging_face(name, boot, boot_here, tmp_path):
    architecture = ARCHITECTURES[name]
    folder = architecture.build(tmp_path / name)
    vectors = make_vectors()
    by_digest = {native.digest(native.dumps(v)): v for v in vectors.values()}
    reference = HuggingFaceReference(folder, architecture.model, architecture.blocks)
    start = boot if architecture.own_process else boot_here
    engine = start(folder, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=64)
    try:
        rng = random.Random(name)
        prompts = [[rng.randrange(2, VOCABULARY) for _ in range(n)] for n in (12, 40, 90, 70)]
        plans = [*(random_plan(rng, len(p), vectors) for p in prompts[:-1]), None]
        outputs = engine.generate(prompts, plans, max_tokens=8)
        changed = False
        for output, plan in zip(outputs, plans, strict=True):
            ids = list(output.prompt_token_ids) + list(output.outputs[0].token_ids)
            expected = reference.logprobs(ids, plan, by_digest)
            assert largest_error(output, output.outputs[0], expected) < TOLERANCE, plan
            if plan is not None:
                plain = reference.logprobs(ids, None, by_digest)
                changed |= largest_error(output, output.outputs[0], plain) > 100 * TOLERANCE
        assert changed
    finally:
        engine.stop()
