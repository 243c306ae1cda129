"""Which files of a base model's folder vLLM reads, with its own choice between formats.

As vLLM's default loader, config parser and tokenizer registry choose when no option tells them
otherwise (`--load-format`, `--config-format` and `--tokenizer-mode` auto); the server refuses
options under which they would choose other files.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from .model_dir import read_json, unreadable

_MISTRAL_WEIGHTS = "consolidated*.safetensors"
_WEIGHTS = (
    (_MISTRAL_WEIGHTS, "consolidated.safetensors.index.json"),
    ("*.safetensors", "model.safetensors.index.json"),
    ("*.bin", None),
    ("*.pt", None),
    ("*.gguf", None),
)
"""By preference: (pattern, the index that leaves out what is not loaded)."""

_NOT_WEIGHTS = ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scaler.pt")
"""Ends of the names of files that vLLM takes for a trainer's."""

TOKENIZER_CONFIG = "tokenizer_config.json"

_TOKENIZER = (
    "tokenizer.json",
    "tokenizer.*.json",
    "tekken.json",
    "*.model",
    "*.model.v*",
    "*.tiktoken",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
)
_MISTRAL_TOKENIZER = ("tekken.json", "tokenizer.model.v*")
_QUANTIZATION = ("*quant_config.json", "*quantize_config.json", "*quantization_config.json")
_MORE_CONFIG = ("sparse_attention_config.json", "joint_head_config.json")
_MISTRAL_CONFIG = "params.json"


def weight_files(model_dir: Path) -> list[Path]:
    """Returns the files with the model's weights, sorted by name.

    Raises `CallerError(model_unreadable)` when there are none, or one that the index names is not
    there.
    """
    for pattern, index in _WEIGHTS:
        found = [p for p in _matching(model_dir, [pattern]) if not p.name.endswith(_NOT_WEIGHTS)]
        if found and index is not None and (model_dir / index).is_file():
            return _indexed(model_dir, model_dir / index)
        if found:
            return found
    raise unreadable(model_dir, "no weights (*.safetensors, *.bin, *.pt or *.gguf)")


def has_mistral_weights(model_dir: Path) -> bool:
    """Returns whether vLLM prefers the weights that are there in Mistral's own format."""
    return model_dir.is_dir() and bool(_matching(model_dir, [_MISTRAL_WEIGHTS]))


def has_mistral_config(model_dir: Path) -> bool:
    """Returns whether vLLM reads params.json first, and config.json for what is not in it."""
    return has_mistral_weights(model_dir) and bool(_matching(model_dir, [_MISTRAL_CONFIG]))


def has_mistral_tokenizer(model_dir: Path) -> bool:
    """Returns whether vLLM takes Mistral's own tokenizer, whichever others are there."""
    return has_mistral_weights(model_dir) and bool(_matching(model_dir, _MISTRAL_TOKENIZER))


def tokenizer_files(model_dir: Path) -> list[Path]:
    """Returns every file that a tokenizer may be read from, but tokenizer_config.json.

    Which of them are read depends on the tokenizer's class; they are small, so all count.
    """
    return _matching(model_dir, _TOKENIZER)


def quantization_files(model_dir: Path) -> list[Path]:
    """Returns the JSON files, beside config.json, that say how the weights are quantised."""
    return _matching(model_dir, _QUANTIZATION)


def config_files(model_dir: Path) -> list[Path]:
    """Returns the JSON files, beside config.json, that say more about the architecture."""
    mistral = [_MISTRAL_CONFIG] if has_mistral_config(model_dir) else []
    return _matching(model_dir, [*mistral, *_MORE_CONFIG])


def code_files(model_dir: Path) -> list[Path]:
    """Returns the Python files of the folder, which a model with `auto_map` may bring along."""
    return _matching(model_dir, ["*.py"])


def _matching(model_dir: Path, patterns: Iterable[str]) -> list[Path]:
    # A link to nothing is kept: it is a file that is missing, and reading it says so.
    wanted = tuple(patterns)
    return sorted(
        path
        for path in model_dir.iterdir()
        if any(fnmatchcase(path.name, pattern) for pattern in wanted)
        and not path.name.startswith(".")
        and not path.is_dir()
    )


def _indexed(model_dir: Path, index: Path) -> list[Path]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise unreadable(index, "no weight_map")
    # NOTE: the index is data from outside; only its file names are used, never its folders.
    paths = [
        model_dir / Path(str(name)).name for name in sorted(set(map(str, weight_map.values())))
    ]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise unreadable(model_dir, f"{len(missing)} missing weight file(s), first {missing[0]!r}")
    return paths
