"""The base-model fingerprint: what a vector is bound to (DESIGN section 6).

sha256 over a canonical manifest of what decides the model's numbers: the architecture-relevant
part of config.json, the weights, the tokenizer, the quantisation, and the model's own code where
it brings some. Nothing in it depends on where the folder lies, on file names of shards, on a
README, on generation settings or on the chat template.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config_keys import architecture, tokenization
from .file_hashes import FileHashes
from .model_dir import read_config, read_json
from .model_dir import resolve_model_dir as resolve_model_dir
from .model_files import (
    TOKENIZER_CONFIG,
    code_files,
    config_files,
    quantization_files,
    tokenizer_files,
    weight_files,
)

Progress = Callable[[int, int], None]
"""Called with (bytes hashed, bytes in all), from worker threads, one call at a time."""

MANIFEST_VERSION = 2


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
    not a whole model, or whose files change while they are hashed, and `CallerError(model_damaged)`
    for a file of the hub cache that is not what its name says.
    """
    config = read_config(model_dir)
    tokenizer_config = _tokenizer_config(model_dir)
    weights, tokenizer = weight_files(model_dir), tokenizer_files(model_dir)
    brings_code = "auto_map" in config or "auto_map" in tokenizer_config
    code = code_files(model_dir) if brings_code else []
    hashes = FileHashes(cache_path).sha256([*weights, *tokenizer, *code], progress=progress)
    manifest: dict[str, Any] = {
        "manifest": MANIFEST_VERSION,
        "config": architecture(config),
        "more_config": _by_name(config_files(model_dir)),
        "code": {path.name: hashes[path].sha256 for path in code},
        "quantization": _quantization(model_dir, config),
        "tokenizer": {path.name: hashes[path].sha256 for path in tokenizer},
        "tokenizer_config": tokenization(tokenizer_config),
        "weights": sorted(
            ({"size": hashes[p].size, "sha256": hashes[p].sha256} for p in weights),
            key=lambda shard: (shard["sha256"], shard["size"]),
        ),
    }
    return Fingerprint(digest_of(manifest), manifest)


def digest_of(value: object) -> str:
    """Returns `sha256:<hex>` of a value as canonical JSON: sorted keys, no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _tokenizer_config(model_dir: Path) -> dict[str, Any]:
    path = model_dir / TOKENIZER_CONFIG
    return read_json(path) if path.is_file() else {}


def _quantization(model_dir: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    files = _by_name(quantization_files(model_dir))
    inline = config.get("quantization_config")
    return files if inline is None else {**files, "config.json": inline}


def _by_name(paths: Iterable[Path]) -> dict[str, Any]:
    return {path.name: read_json(path) for path in paths}
