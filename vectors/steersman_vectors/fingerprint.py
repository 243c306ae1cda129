"""The base-model fingerprint: what a vector is bound to (DESIGN section 6).

sha256 over a canonical manifest of what decides the model's numbers: the architecture-relevant
part of config.json, the weights, the tokenizer, the quantisation. Nothing in it depends on where
the folder lies, on file names of shards, or on a README.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .file_hashes import FileHashes
from .model_dir import read_config, read_json, tokenizer_files, weight_files
from .model_dir import resolve_model_dir as resolve_model_dir

Progress = Callable[[int, int], None]
"""Called with (bytes hashed, bytes in all), from worker threads, one call at a time."""

MANIFEST_VERSION = 1

_QUANTIZATION_FILES = ("hf_quant_config.json", "quantize_config.json", "quant_config.json")

_NOT_ARCHITECTURE = frozenset(
    {
        "_name_or_path",
        "name_or_path",
        "_commit_hash",
        "_attn_implementation",
        "_attn_implementation_autoset",
        "_attn_implementation_internal",
        "_from_model_config",
        "transformers_version",
        "transformers.js_config",
        "torch_dtype",
        "dtype",
        "use_cache",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "return_dict_in_generate",
        "use_return_dict",
        "torchscript",
        "unsloth_version",
        "unsloth_fixed",
        "max_length",
        "max_new_tokens",
        "min_length",
        "min_new_tokens",
        "do_sample",
        "early_stopping",
        "num_beams",
        "num_beam_groups",
        "diversity_penalty",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "length_penalty",
        "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size",
        "bad_words_ids",
        "num_return_sequences",
        "output_scores",
        "exponential_decay_length_penalty",
        "suppress_tokens",
        "begin_suppress_tokens",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "remove_invalid_values",
        "task_specific_params",
        "problem_type",
        "id2label",
        "label2id",
        "num_labels",
        "finetuning_task",
    }
)
"""Keys of config.json, at any depth, that do not decide what the weights compute. A list of what
is left out, because a key that nobody listed must count: a new fingerprint for the same model costs
an import, the same fingerprint for another model would apply a wrong vector."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`sha256:<hex>` of the canonical manifest, and the manifest itself for people to compare."""

    digest: str
    manifest: dict[str, Any]


def fingerprint(
    model_dir: Path, *, progress: Progress | None = None, cache_path: Path | None = None
) -> Fingerprint:
    """Returns the fingerprint of the model in `model_dir`.

    Every byte of the weights is hashed once per machine; the hashes are cached in `cache_path`
    (default: under XDG_CACHE_HOME). Raises `CallerError(model_unreadable)` for a folder that is
    not a whole model, or whose files change while they are hashed.
    """
    config = read_config(model_dir)
    weights, tokenizer = weight_files(model_dir), tokenizer_files(model_dir)
    hashes = FileHashes(cache_path).sha256([*weights, *tokenizer], progress=progress)
    manifest: dict[str, Any] = {
        "manifest": MANIFEST_VERSION,
        "config": architecture(config),
        "quantization": _quantization(model_dir, config),
        "tokenizer": {path.name: hashes[path].sha256 for path in tokenizer},
        "weights": sorted(
            ({"size": hashes[p].size, "sha256": hashes[p].sha256} for p in weights),
            key=lambda shard: (shard["sha256"], shard["size"]),
        ),
    }
    return Fingerprint(digest_of(manifest), manifest)


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of a config that decides what the weights compute."""
    return {
        key: architecture(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in _NOT_ARCHITECTURE and key != "quantization_config"
    }


def digest_of(manifest: Mapping[str, Any]) -> str:
    """Returns `sha256:<hex>` of the manifest as canonical JSON: sorted keys, no spaces."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _quantization(model_dir: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: model_dir / name for name in _QUANTIZATION_FILES}
    files = {name: read_json(path) for name, path in found.items() if path.is_file()}
    inline = config.get("quantization_config")
    return files if inline is None else {**files, "config.json": inline}
