"""LoRA together with steering: the adapter changes the weights, the plan the residual stream.

NOTE: adapted and unadapted requests are not in one batch here. vLLM 0.32's CPU build is wrong there
without Steersman too: unadapted tokens get the last adapter.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from transformers import LlamaForCausalLM

from tests.engine.engines import CHUNK
from tests.engine.reference import HuggingFaceReference
from tests.engine.test_laws import check_against_reference, random_plan, random_turns

pytestmark = pytest.mark.engine

RANK, ALPHA = 8, 16
TARGETS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj")


@dataclass(frozen=True)
class Adapter:
    """What vLLM is asked to load, and the same weights merged into the model."""

    request: Any
    merged: HuggingFaceReference


def make_adapter(model_dir: Path, folder: Path, seed: int) -> Adapter:
    from vllm.lora.request import LoRARequest

    model = LlamaForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for i, block in enumerate(model.model.layers):
        for target in TARGETS:
            linear = block.get_submodule(target)
            out_features, in_features = linear.weight.shape
            a = torch.randn(RANK, in_features, generator=generator) * 0.1
            b = torch.randn(out_features, RANK, generator=generator) * 0.1
            name = f"base_model.model.model.layers.{i}.{target}"
            tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
            linear.weight.data += b @ a * (ALPHA / RANK)
    files, merged = folder / f"adapter-{seed}", folder / f"merged-{seed}"
    files.mkdir()
    safetensors.torch.save_file(tensors, files / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none",
        "target_modules": sorted({t.rpartition(".")[2] for t in TARGETS}),
    }  # fmt: skip
    (files / "adapter_config.json").write_text(json.dumps(config))
    model.save_pretrained(merged)
    request = LoRARequest(f"adapter-{seed}", seed, str(files))
    return Adapter(request, HuggingFaceReference(merged))


@pytest.fixture(scope="module")
def adapters(model_dir, tmp_path_factory) -> list[Adapter]:
    folder = tmp_path_factory.mktemp("lora")
    return [make_adapter(model_dir, folder, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def with_lora(boot_here, model_dir, vectors):
    engine = boot_here(
        model_dir, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK,
        enable_lora=True, max_lora_rank=RANK, max_loras=2,
    )  # fmt: skip
    yield engine
    engine.stop()


def test_adapters_and_plans_mix_in_one_batch(with_lora, adapters, chat, bind, by_digest):
    rng = random.Random(51)
    prompts = [chat(*random_turns(rng)) for _ in range(8)]
    plans = [None, None, *(random_plan(rng, p, bind) for p in prompts[2:])]
    used = adapters * 4
    outputs = with_lora.generate(prompts, plans, lora=[a.request for a in used])
    for output, plan, adapter in zip(outputs, plans, used, strict=True):
        check_against_reference([output], [plan], adapter.merged, by_digest)


def test_without_an_adapter_plans_act_on_the_base_model(
    with_lora, chat, bind, reference, by_digest
):
    rng = random.Random(52)
    prompts = [chat(*random_turns(rng)) for _ in range(4)]
    plans = [random_plan(rng, p, bind) for p in prompts]
    check_against_reference(with_lora.generate(prompts, plans), plans, reference, by_digest)


def test_adapters_share_no_block(with_lora, adapters, chat, bind):
    prompt = chat(("user", "hello"), ("assistant", "thanks " * 60), ("user", "why?"))
    plan = bind(prompt, {"unit": 8.0})

    def cached(adapter: Adapter) -> int:
        lora = [adapter.request]
        output = with_lora.generate([prompt], [plan], max_tokens=1, fresh=False, lora=lora)[0]
        return output.num_cached_tokens

    with_lora.llm.reset_prefix_cache()
    assert [cached(a) for a in adapters] == [0, 0]
    assert all(cached(a) > 0 for a in adapters)
