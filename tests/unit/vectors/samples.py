"""Vectors, model folders and GGUF files that the tests are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter
from safetensors.numpy import save_file

from steersman_vectors.registry.attached import Attachment, Upload
from steersman_vectors.vector import SteeringVector, from_differences

FP_A = "sha256:" + "a" * 64
FP_B = "sha256:" + "b" * 64
HIDDEN = 8
LAYERS = 4


def differences(seed: int = 0, layers: tuple[int, ...] = (1, 2), hidden: int = HIDDEN) -> Any:
    """Returns `{layer_idx: fp32 [hidden]}`, random, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return {i: rng.normal(size=hidden).astype(np.float32) * (i + 1) for i in layers}


def vector(seed: int = 0, *, name: str = "made", scale: Any = "raw", **card: Any) -> SteeringVector:
    """Returns a vector of random differences; `layers` and `hidden` as in `differences`."""
    made = differences(seed, card.pop("layers", (1, 2)), card.pop("hidden", HIDDEN))
    return from_differences(made, name=name, scale=scale, **card)


def upload(data: bytes, name: str = "file") -> Upload:
    """Returns a file to be attached to a version."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    return Upload(Attachment(name, digest, len(data)), data)


def write_gguf(path: Path, tensors: Mapping[str, Any], arch: str = "controlvector") -> Path:
    """Writes a GGUF file with the gguf package, as llama.cpp's and repeng's exporters do."""
    writer = GGUFWriter(path, arch)
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", len(tensors))
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_control_vector(path: Path, tensors: Mapping[int, Any]) -> Path:
    """Writes `direction.<layer_idx>` tensors."""
    return write_gguf(path, {f"direction.{k}": tensor for k, tensor in tensors.items()})


def write_model(folder: Path, *, seed: int = 0, hidden: int = HIDDEN, layers: int = LAYERS) -> Path:
    """Writes a folder that has all files of a (very small) base model."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "rope_scaling": {"type": "linear", "factor": 2.0},
        "ffn_config": {"top_k": 2},
        "text_config": {"top_k": 50, "router": {"temperature": 1.0}},
        "thinker_config": {"text_config": {"top_k": 50}},
        "transformers_version": "5.0",
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": true}')
    (folder / "README.md").write_text("a model")
    (folder / "generation_config.json").write_text('{"temperature": 1.0}')
    rng = np.random.default_rng(seed)
    for shard in (1, 2):
        tensor = rng.normal(size=(hidden, hidden)).astype(np.float32)
        save_file({f"w{shard}": tensor}, folder / f"model-0000{shard}-of-00002.safetensors")
    return folder
