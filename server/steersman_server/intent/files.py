"""Files of classifiers: read within limits, checked by digest, refused with the remedy."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from steersman_vectors.errors import CallerError

MAX_TEXT_BYTES = 4 * 2**20
"""Of a card or a configuration."""
MAX_TOKENIZER_BYTES = 64 * 2**20
MAX_TENSOR_BYTES = 512 * 2**20

Model = TypeVar("Model", bound=BaseModel)


def invalid(path: Path, what: str) -> CallerError:
    """Returns the refusal of a classifier's file."""
    return CallerError(f"{path}: {what}", code="classifier_invalid")


def read_bytes(path: Path, limit: int) -> bytes:
    """Returns the file's bytes. Raises `CallerError`: `classifier_not_found`, `_invalid`."""
    try:
        if not path.is_file():
            raise FileNotFoundError
        size = path.stat().st_size
        if size > limit:
            raise invalid(path, f"{size:,} bytes, expected at most {limit:,}")
        return path.read_bytes()
    except FileNotFoundError:
        raise CallerError(
            f"no file {path}; expected a folder made by `steersman intents train`, or a .json or "
            ".toml file that describes a classifier",
            code="classifier_not_found",
        ) from None
    except OSError as error:
        raise invalid(path, f"cannot be read ({error.strerror}); check its permissions") from error


def sha256(data: bytes) -> str:
    """Returns `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_table(path: Path) -> dict[str, Any]:
    """Returns the object in a .json or .toml file."""
    data = read_bytes(path, MAX_TEXT_BYTES)
    try:
        text = data.decode()
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = path.suffix.removeprefix(".").upper()
        raise invalid(path, f"is not {kind} in UTF-8 ({error})") from error
    if not isinstance(value, dict):
        raise invalid(path, f"expected an object, got {type(value).__name__}")
    return value


def parse(model: type[Model], value: Any, path: Path) -> Model:
    """Returns the value as the model; a refusal names the key, what was got and expected."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(path, explain(error)) from error


def explain(error: ValidationError) -> str:
    """Returns the first problem in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; remove it"
    if first["type"] == "missing":
        return f"{where!r} is missing; add it"
    got = "" if isinstance(first.get("input"), dict | list) else f", got {first.get('input')!r:.80}"
    return f"{where!r}: {first['msg'].removeprefix('Value error, ')}{got}"


def tensors(data: bytes, path: Path) -> dict[str, Any]:
    """Returns the arrays of a safetensors file."""
    try:
        return load_tensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise invalid(path, f"is not a safetensors file that numpy can hold ({error})") from error
