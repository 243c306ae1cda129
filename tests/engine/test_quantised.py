"""Quantised weights: int8 by channel with activations quantised by token (compressed-tensors)."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from tests.engine.engines import CHUNK, largest_error
from tests.engine.reference import HuggingFaceReference
from tests.engine.test_laws import random_plan, random_turns
from tests.tiny_model import build_tiny_llama

pytestmark = pytest.mark.engine

SCHEME = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True},
            "input_activations": {
                "num_bits": 8, "type": "int", "strategy": "token", "symmetric": True,
                "dynamic": True,
            },
        }
    },
}  # fmt: skip


def quantise(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns int8 steps and the size of a step, row by row."""
    step = values.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / 127
    return (values / step).round().clamp(-127, 127), step


class QuantisedLinear(nn.Module):
    """What an int8 kernel computes, in plain fp32."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        steps, size = quantise(linear.weight.data)
        self.weight = steps * size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps, size = quantise(x)
        return (steps * size) @ self.weight.T


def linears(model: nn.Module) -> list[str]:
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name != "lm_head"
    ]


@pytest.fixture(scope="module")
def int8(tmp_path_factory) -> tuple[Path, HuggingFaceReference]:
    """Returns an int8 checkpoint, beside it as `plain` what it was made of, and its oracle."""
    folder = build_tiny_llama(tmp_path_factory.mktemp("int8") / "tiny-llama")
    shutil.copytree(folder, folder.parent / "plain")
    oracle = HuggingFaceReference(folder)
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    for name in linears(oracle.model):
        steps, size = quantise(tensors[f"{name}.weight"])
        tensors[f"{name}.weight"] = steps.to(torch.int8)
        tensors[f"{name}.weight_scale"] = size
        oracle.model.set_submodule(name, QuantisedLinear(oracle.model.get_submodule(name)))
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": SCHEME}))
    return folder, oracle


@pytest.fixture(scope="module")
def quantised(boot_here, int8, vectors):
    engine = boot_here(
        int8[0], vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK
    )
    assert engine.llm.llm_engine.vllm_config.model_config.quantization == "compressed-tensors"
    yield engine
    engine.stop()


def test_int8_weights_are_steered_as_others_are(quantised, int8, chat, bind, by_digest):
    """As exact as unsteered: values on the edge of two int8 steps fall to either side in both."""
    _, oracle = int8
    rng = random.Random(61)
    prompts = [chat(*random_turns(rng)) for _ in range(9)]
    plans = [None, None, None, *(random_plan(rng, p, bind) for p in prompts[3:])]
    outputs = quantised.generate(prompts, plans)

    def error(output, plan) -> float:
        ids = list(output.prompt_token_ids) + list(output.outputs[0].token_ids)
        return largest_error(output, output.outputs[0], oracle.logprobs(ids, plan, by_digest))

    rounding = max(error(o, None) for o, p in zip(outputs, plans, strict=True) if p is None)
    steered = [(o, p) for o, p in zip(outputs, plans, strict=True) if p is not None]
    assert max(error(o, p) for o, p in steered) < 2 * rounding < 0.5
    assert max(error(o, None) for o, _ in steered) > 10 * rounding
