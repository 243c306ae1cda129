"""Hugging Face forwards: batched == alone, and equal to the model's own hidden states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    SiglipVisionConfig,
    T5Config,
    T5ForConditionalGeneration,
)

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.extract.contract import ActivationSource, Read, SpanStates
from steersman_vectors.extract.hf import open_source
from tests.tiny_model import HIDDEN, LAYERS, build_tiny_llama

SMALL = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
    "max_position_embeddings": 128, "initializer_range": 0.2, "sliding_window": 4,
}  # fmt: skip


def gemma(folder: Path) -> None:
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    Gemma3ForCausalLM(Gemma3TextConfig(**SMALL, layer_types=kinds)).save_pretrained(folder)


def mistral(folder: Path) -> None:
    MistralForCausalLM(MistralConfig(**SMALL)).save_pretrained(folder)


def gpt2(folder: Path) -> None:
    config = GPT2Config(vocab_size=320, n_positions=128, n_embd=32, n_layer=3, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(folder)


FAMILIES = {"gemma3": gemma, "mistral": mistral, "gpt2": gpt2}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def source(llama: Path) -> Iterator[ActivationSource]:
    with open_source(llama, layers=None, dtype="float32", batch_tokens=160) as source:
        yield source


def read_at(rng: np.random.Generator, length: int, spans: int = 2) -> Read:
    ends = np.sort(rng.integers(0, length + 1, size=(spans, 2)), axis=1)
    kept = [(int(a), int(max(b, a + 1))) for a, b in ends if a < length]
    return Read(tuple(map(int, rng.integers(0, 320, size=length))), tuple(kept or [(0, length)]))


def by_hidden_states(folder: Path, read: Read, layers: int) -> SpanStates:
    """The slow reference: one sequence, the whole model, its own hidden states.

    The last entry has passed the final norm, so the last block's output is not among them.
    """
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        seen = model(torch.tensor([read.token_ids]), output_hidden_states=True).hidden_states
    states = torch.stack(seen[1 : layers + 1])[:, 0].numpy().astype(np.float64)
    parts = [states[:, a:b] for a, b in read.spans]
    return SpanStates(
        mean=np.stack([p.mean(axis=1) for p in parts]).astype(np.float32),
        norm=np.stack([np.linalg.norm(p, axis=-1).mean(axis=1) for p in parts]).astype(np.float32),
    )


def assert_close(a: SpanStates, b: SpanStates, tolerance: float = 1e-5) -> None:
    size = np.abs(b.mean).max()
    assert a.mean.dtype == a.norm.dtype == np.float32
    assert a.mean.shape == b.mean.shape
    assert np.abs(a.mean - b.mean).max() <= tolerance * size
    assert np.abs(a.norm - b.norm).max() <= tolerance * np.abs(b.norm).max()


@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=2, max_size=9), seed=st.integers(0, 2**20))
def test_batched_is_alone(lengths: list[int], seed: int, source: ActivationSource) -> None:
    rng = np.random.default_rng(seed)
    reads = [read_at(rng, length) for length in lengths]
    together = dict(source.read(reads))
    assert sorted(together) == list(range(len(reads)))
    for i, read in enumerate(reads):
        ((_, alone),) = source.read([read])
        assert alone.mean.shape == (len(read.spans), LAYERS, HIDDEN)
        assert_close(together[i], alone)


def test_equals_the_models_own_hidden_states(llama: Path, source: ActivationSource) -> None:
    rng = np.random.default_rng(0)
    reads = [read_at(rng, length, spans=3) for length in (1, 7, 40, 23)]
    for i, states in source.read(reads):
        below_last = SpanStates(states.mean[:, :-1], states.norm[:, :-1])
        assert_close(below_last, by_hidden_states(llama, reads[i], LAYERS - 1))


def test_the_last_block_is_read_before_the_final_norm(
    llama: Path, source: ActivationSource
) -> None:
    read = read_at(np.random.default_rng(1), 9)
    model = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32).eval()
    with torch.inference_mode():
        normed = model(torch.tensor([read.token_ids]), output_hidden_states=True).hidden_states[-1]
        ((_, states),) = source.read([Read(read.token_ids, ((8, 9),))])
        ours = model.model.norm(torch.tensor(states.mean[0, -1]))
    assert torch.allclose(ours, normed[0, 8], atol=1e-5)
    assert not np.allclose(states.mean[0, -1], normed[0, 8], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_and_only_some_layers(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    FAMILIES[family](tmp_path)
    rng = np.random.default_rng(2)
    reads = [read_at(rng, length) for length in (30, 3, 17, 16)]
    with open_source(tmp_path, layers=(1, 0), dtype="float32", batch_tokens=64) as source:
        assert (source.layers, source.hidden_size, source.max_tokens) == ((0, 1), 32, 128)
        for i, states in source.read(reads):
            assert_close(states, by_hidden_states(tmp_path, reads[i], 2))


def test_the_language_model_of_a_multimodal_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vision = SiglipVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2,
        image_size=28, patch_size=14,
    )  # fmt: skip
    config = Gemma3Config(text_config=Gemma3TextConfig(**SMALL), vision_config=vision)
    model = Gemma3ForConditionalGeneration(config).eval()
    model.save_pretrained(tmp_path)
    read = read_at(np.random.default_rng(3), 12)
    with open_source(tmp_path, layers=(1,), dtype="float32", batch_tokens=64) as source:
        ((_, states),) = source.read([read])
    text = model.model.language_model
    with torch.inference_mode():
        seen = text(torch.tensor([read.token_ids]), output_hidden_states=True).hidden_states[2]
    a, b = read.spans[0]
    assert np.allclose(states.mean[0, 0], seen[0, a:b].mean(0), atol=1e-4)


def test_half_precision_is_near(llama: Path, source: ActivationSource) -> None:
    read = read_at(np.random.default_rng(4), 20)
    ((_, wide),) = source.read([read])
    with open_source(llama, layers=None, dtype="bfloat16", batch_tokens=64) as half:
        ((_, states),) = half.read([read])
    cosine = (states.mean * wide.mean).sum(-1) / (
        np.linalg.norm(states.mean, axis=-1) * np.linalg.norm(wide.mean, axis=-1)
    )
    assert states.mean.dtype == np.float32
    assert cosine.min() > 0.99
    assert not np.array_equal(states.mean, wide.mean)


def test_the_head_and_the_blocks_above_are_gone(llama: Path) -> None:
    with open_source(llama, layers=(0, 1), dtype="auto", batch_tokens=64) as source:
        model = source._model  # type: ignore[attr-defined]
        assert len(model.layers) == 2
        assert not any("lm_head" in name for name, _ in model.named_modules())
        ((_, states),) = source.read([Read((5, 6, 7), ((0, 3),))])
        assert states.mean.shape == (1, 2, HIDDEN)


def test_too_long_before_anything_is_read(source: ActivationSource) -> None:
    fine = Read((1,) * 8, ((0, 8),))
    with pytest.raises(CallerError, match="sequence 1 has 2049 tokens") as refused:
        source.read([fine, Read((1,) * 2049, ((0, 1),))])
    assert refused.value.code == "too_long"


def test_weights_that_are_missing_are_not_drawn_at_random(llama: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in llama.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.2.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with (
        pytest.raises(OperatorError, match=r"lacks 1 weights, such as layers\.2\.mlp") as refused,
        open_source(tmp_path, layers=None, dtype="auto", batch_tokens=64),
    ):
        pytest.fail("opened")
    assert refused.value.code == "model_unreadable"


def test_models_that_see_what_comes_later_are_refused(tmp_path: Path) -> None:
    config = T5Config(d_model=16, d_ff=16, num_layers=1, num_heads=1, d_kv=16, vocab_size=32)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    with (
        pytest.raises(OperatorError, match="no decoder-only") as refused,
        open_source(tmp_path, layers=None, dtype="auto", batch_tokens=64),
    ):
        pytest.fail("opened")
    assert refused.value.code == "model_unsupported"
