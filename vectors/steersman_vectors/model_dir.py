"""A base model's folder: where it is, its shape, its JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engine_contract import GLOBAL_ATTENTION
from .errors import CallerError

MAX_JSON_BYTES = 64 * 1024 * 1024

_HIDDEN_SIZE_KEYS = ("hidden_size", "n_embd", "d_model")
_NUM_LAYERS_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_MAX_TOKENS_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length")
NO_TOKEN_LIMIT = 1 << 30
TEXT_CONFIG_KEYS = ("text_config", "llm_config", "language_config")


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
    nested = (config.get(key) for key in TEXT_CONFIG_KEYS)
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


def read_max_tokens(model_dir: Path) -> int:
    """Returns the longest sequence that config.json allows; a huge number where it does not say.

    Raises `CallerError(model_unreadable)`.
    """
    config = read_config(model_dir)
    for part in (*(config.get(key) for key in TEXT_CONFIG_KEYS), config):
        found = _positive_int(part, _MAX_TOKENS_KEYS) if isinstance(part, Mapping) else None
        if found is not None:
            return found
    return NO_TOKEN_LIMIT


def read_attention(model_dir: Path) -> tuple[str, ...] | None:
    """Returns the kind of attention of each decoder block, or None where config.json tells none.

    Of `layer_types`, or of `sliding_window_pattern` as older configs of Gemma have it: every so
    many-th block attends to the whole context. Raises `CallerError(model_unreadable)`.
    """
    config, shape = read_config(model_dir), read_shape(model_dir)
    for part in (*(config.get(key) for key in TEXT_CONFIG_KEYS), config):
        if not isinstance(part, Mapping):
            continue
        kinds, every = part.get("layer_types"), part.get("sliding_window_pattern")
        if isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds):
            return tuple(kinds)
        if isinstance(every, int) and not isinstance(every, bool) and every > 0:
            return tuple(
                GLOBAL_ATTENTION if (i + 1) % every == 0 else "sliding_attention"
                for i in range(shape.num_layers)
            )
    return None


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
