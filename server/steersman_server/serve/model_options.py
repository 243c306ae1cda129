"""vLLM's options under which it would serve something else than what is fingerprinted.

The fingerprint covers what vLLM reads of MODEL by its own choice (`steersman_vectors.model_files`).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from steersman_vectors.model_files import (
    has_mistral_config,
    has_mistral_tokenizer,
    has_mistral_weights,
)

_HF_LOAD_FORMATS = frozenset({"hf", "safetensors", "fastsafetensors", "instanttensor"})
_HF_TOKENIZER_MODES = frozenset(
    {"hf", "cohere", "inkling", "kimi_k3", "deepseek_v32", "deepseek_v4", "deepseek_v41"}
)
"""Modes that read the same files; they differ in how they render chats."""


def other_model(args: Namespace) -> Iterator[str]:
    """Yields options that make vLLM serve something else than the folder that is fingerprinted."""
    given = {
        "--revision": args.revision,
        "--code-revision": args.code_revision,
        "--tokenizer": None if args.tokenizer == args.model_tag else args.tokenizer,
        "--tokenizer-revision": args.tokenizer_revision,
        "--hf-config-path": args.hf_config_path,
        "--hf-overrides": args.hf_overrides or None,
        # A checkpoint that is quantised says so itself.
        "--quantization": args.quantization,
        "--quantization-config": getattr(args, "quantization_config", None),
    }
    for option, value in given.items():
        if value is not None:
            yield (
                f"{option}: vectors are bound to the exact files in MODEL. Make a folder with the "
                "model that you mean and serve that"
            )
    yield from _other_files(args, Path(args.model_tag))


def _other_files(args: Namespace, model_dir: Path) -> Iterator[str]:
    """Yields formats in which vLLM would read other files of the folder than by itself."""
    chosen = {
        "--load-format": (
            args.load_format,
            {"mistral"} if has_mistral_weights(model_dir) else _HF_LOAD_FORMATS,
        ),
        "--config-format": (
            args.config_format,
            {"mistral"} if has_mistral_config(model_dir) else {"hf"},
        ),
        "--tokenizer-mode": (
            args.tokenizer_mode,
            {"mistral"} if has_mistral_tokenizer(model_dir) else _HF_TOKENIZER_MODES,
        ),
    }
    for option, (value, same) in chosen.items():
        if value.lower() not in {"auto", *same}:
            yield (
                f"{option} {value}, which may read other files than the fingerprint covers. Leave "
                f"it out, or give one of: {', '.join(sorted(same))}"
            )
