"""A base model's folder: where it is, its shape, and which of its files make up the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CallerError

MAX_JSON_BYTES = 64 * 1024 * 1024

_HIDDEN_SIZE_KEYS = ("hidden_size", "n_embd", "d_model")
_NUM_LAYERS_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_TEXT_CONFIG_KEYS = ("text_config", "llm_config", "language_config")

_TOKENIZER_FILES = (
    ("tokenizer.json",),
    ("tokenizer.model", "tokenizer.model.v3", "spiece.model", "tekken.json"),
    ("vocab.json", "merges.txt", "vocab.txt"),
)
"""By preference: the first group of which a file exists is the tokenizer."""

_NOT_WEIGHTS = frozenset({"training_args.bin", "optimizer.bin", "scheduler.bin", "scaler.bin"})


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a vector must fit: width of the residual stream and number of decoder blocks."""

    hidden_size: int
    num_layers: int


def resolve_model_dir(model: str) -> Path:
    """Returns the folder of `model`: a local folder, or a hub name's cached snapshot.

    Downloads nothing. Raises `CallerError(model_not_found)`.
    """
    if not model.strip():
        raise _not_found(model, "no name", "a model folder or a hub name")
    try:
        path = Path(model).expanduser()
    except RuntimeError as error:
        raise _not_found(
            model, "~ for a user who has no home directory here", "a model folder or a hub name"
        ) from error
    if path.is_dir():
        return path
    if path.is_file():
        raise _not_found(model, "a file", "the folder that holds config.json and the weights")
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise _not_found(model, "no such folder", "an existing model folder or a hub name")
    return _cached_snapshot(model)


def read_config(model_dir: Path) -> dict[str, Any]:
    """Returns config.json; raises `CallerError(model_unreadable)` when there is none to read."""
    return read_json(model_dir / "config.json")


def read_shape(model_dir: Path) -> ModelShape:
    """Returns the shape in config.json; a multimodal model's is that of its text part.

    Raises `CallerError(model_unreadable)` when the config does not say.
    """
    config = read_config(model_dir)
    nested = (config.get(key) for key in _TEXT_CONFIG_KEYS)
    for part in (*nested, config):
        if not isinstance(part, Mapping):
            continue
        hidden_size = _positive_int(part, _HIDDEN_SIZE_KEYS)
        num_layers = _positive_int(part, _NUM_LAYERS_KEYS)
        if hidden_size is not None and num_layers is not None:
            return ModelShape(hidden_size, num_layers)
    raise unreadable(
        model_dir / "config.json", f"no {_HIDDEN_SIZE_KEYS[0]} and {_NUM_LAYERS_KEYS[0]}"
    )


def weight_files(model_dir: Path) -> list[Path]:
    """Returns the files with the model's weights, sorted by name.

    Those that an index names, else every *.safetensors, else *.bin, else *.gguf.
    Raises `CallerError(model_unreadable)` when there are none, or one that the index names is not
    there.
    """
    for pattern, index in (
        ("*.safetensors", "model.safetensors.index.json"),
        ("*.bin", "pytorch_model.bin.index.json"),
        ("*.gguf", None),
    ):
        found = sorted(p for p in model_dir.glob(pattern) if p.name not in _NOT_WEIGHTS)
        if not found:
            continue
        if index is not None and (model_dir / index).is_file():
            return _indexed(model_dir, model_dir / index)
        return found
    raise unreadable(model_dir, "no weights (*.safetensors, *.bin or *.gguf)")


def tokenizer_files(model_dir: Path) -> list[Path]:
    """Returns the files that define the tokenizer; empty when the folder has none."""
    for group in _TOKENIZER_FILES:
        found = [model_dir / name for name in group if (model_dir / name).is_file()]
        if found:
            return found
    return []


def read_json(path: Path) -> dict[str, Any]:
    """Returns the JSON object in `path`; raises `CallerError(model_unreadable)`."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise unreadable(path, f"more than {MAX_JSON_BYTES} bytes")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"no valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise unreadable(path, f"a JSON {type(value).__name__}, not an object")
    return value


def unreadable(path: Path, got: str) -> CallerError:
    """Returns the error for a model folder that cannot be used as it is."""
    return CallerError(
        f"cannot read the model at {path}: {got}. Expected a complete model folder: config.json, "
        "the weights and the tokenizer; download it again if files are missing",
        code="model_unreadable",
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


def _cached_snapshot(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise _not_found(
            model,
            "neither a folder nor a model in the Hugging Face cache",
            f"a local model folder, or a hub name after `hf download {model}`",
        ) from error


def _positive_int(config: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _not_found(model: str, got: str, expected: str) -> CallerError:
    return CallerError(
        f"model {model!r} is not available here: got {got}, expected {expected}",
        code="model_not_found",
        param="model",
    )
