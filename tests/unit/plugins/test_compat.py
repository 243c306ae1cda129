"""Versions: verified, overridden, refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers as hf

from steersman_vectors.engine_contract import EngineSteering
from steersman_vectors.errors import OperatorError
from vllm_steersman import compat


@pytest.mark.parametrize("version", compat.VERIFIED_VERSIONS)
def test_a_verified_version_passes(monkeypatch, version):
    monkeypatch.setattr(compat, "vllm_version", lambda: version)
    compat.check_version()


def test_an_unknown_version_refuses_to_start_and_names_the_override(monkeypatch):
    monkeypatch.setattr(compat, "vllm_version", lambda: "9.9.9")
    with pytest.raises(OperatorError, match=r"STEERSMAN_ALLOW_VLLM=9\.9\.9"):
        compat.check_version()


def test_the_override_is_for_one_version_only(monkeypatch):
    monkeypatch.setattr(compat, "vllm_version", lambda: "9.9.9")
    monkeypatch.setenv(compat.OVERRIDE_ENV, "9.9.8")
    with pytest.raises(OperatorError):
        compat.check_version()
    monkeypatch.setenv(compat.OVERRIDE_ENV, "9.9.9")
    compat.check_version()


@pytest.mark.parametrize(
    ("config", "global_layers"),
    [
        (hf.Gemma3TextConfig(num_hidden_layers=12), (5, 11)),
        (hf.Gemma2Config(num_hidden_layers=4), (1, 3)),
        (hf.GptOssConfig(num_hidden_layers=4), (1, 3)),
        (hf.Qwen3NextConfig(num_hidden_layers=8), (3, 7)),
        (hf.Llama4TextConfig(num_hidden_layers=8), (3, 7)),
        (hf.LlamaConfig(num_hidden_layers=4), None),
    ],
)
def test_global_layers_are_found_from_hugging_faces_configs(config, global_layers):
    vllm_config = SimpleNamespace(model_config=SimpleNamespace(hf_text_config=config))
    kinds = compat.attention_kinds(vllm_config)
    asked = EngineSteering(layers="global")
    if global_layers is None:
        with pytest.raises(OperatorError, match="does not tell"):
            asked.layer_indices(config.num_hidden_layers, kinds)
    else:
        assert asked.layer_indices(config.num_hidden_layers, kinds) == global_layers


@pytest.mark.parametrize(("dtype", "refused"), [("float16", 1), ("bfloat16", 0)])
def test_residuals_that_vllm_scales_in_float16_are_refused(dtype, refused):
    assert len(compat.refused_models(model(hf.DeepseekV3Config(), dtype))) == refused
    assert compat.refused_models(model(hf.LlamaConfig(), dtype)) == []


def test_norms_of_tokens_are_taken_only_where_the_residual_stream_is_known():
    llama = model(hf.LlamaConfig(), "bfloat16")
    cohere = model(hf.CohereConfig(), "bfloat16", architecture="CohereForCausalLM")
    assert compat.refused_models(llama, token_scale=True) == []
    assert compat.refused_models(cohere) == []
    (why,) = compat.refused_models(cohere, token_scale=True)
    assert "CohereForCausalLM" in why
    assert "--steering-token-scale" in why


def model(config, dtype, architecture="LlamaForCausalLM"):
    return SimpleNamespace(
        hf_text_config=config, dtype=getattr(torch, dtype), architecture=architecture,
        is_encoder_decoder=False, runner_type="generate",
    )  # fmt: skip


def test_rows_are_counted_as_the_models_memory():
    """vLLM measured the model before the rows were there, and gives the rest to the KV cache."""
    runner = SimpleNamespace(model_memory_usage=1000)
    compat.count_model_memory(runner, 24)
    assert runner.model_memory_usage == 1024


def test_the_number_of_rows_is_part_of_the_compile_caches_key():
    from vllm.config import VllmConfig

    keys = set()
    for rows in (9, 257):
        config = VllmConfig(additional_config={"steering": {"layers": "all"}})
        compat.key_compiled_graphs(config, rows)
        keys.add(config.compute_hash())
    assert len(keys) == 2
