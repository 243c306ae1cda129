"""The native format: safetensors, one fp32 `[hidden]` tensor `layers.<layer_idx>` per layer.

The header's metadata holds one key, `steersman_card`, with the card as canonical JSON; one key
only, so that equal vectors have equal bytes and the sha256 of the bytes names the content.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from pydantic import ValidationError

from ..card import VectorCard
from ..errors import CallerError
from ..vector import SteeringVector
from ..whole_file import write_whole

CARD_KEY = "steersman_card"
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024 * 1024
_TENSOR = re.compile(r"layers\.(0|[1-9][0-9]{0,3})")


def dumps(vector: SteeringVector) -> bytes:
    """Returns the file's bytes; equal vectors give equal bytes."""
    tensors = {f"layers.{i}": np.ascontiguousarray(d) for i, d in vector.directions.items()}
    return safetensors.numpy.save(tensors, metadata={CARD_KEY: card_json(vector.card)})


def loads(data: bytes) -> SteeringVector:
    """Returns the vector in `data`; raises `CallerError(invalid_vector_file)` on anything else."""
    if len(data) > MAX_FILE_BYTES:
        raise _bad(f"{len(data)} bytes, more than the limit of {MAX_FILE_BYTES}")
    card = _card_of(data)
    try:
        tensors = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise _bad(f"tensors that do not load ({error})") from error
    directions = {}
    for key, tensor in tensors.items():
        match = _TENSOR.fullmatch(key)
        if match is None:
            raise _bad(f"a tensor named {key[:80]!r}; expected 'layers.<layer_idx>'")
        directions[int(match[1])] = tensor
    return SteeringVector(card, directions)


def save(vector: SteeringVector, path: Path) -> str:
    """Writes the file and returns its digest; the file appears whole or not at all."""
    data = dumps(vector)
    write_whole(path, data)
    return digest(data)


def load(path: Path) -> SteeringVector:
    """Returns the vector in the file at `path`."""
    return loads(path.read_bytes())


def digest(data: bytes) -> str:
    """Returns `sha256:<hex>` of the bytes: the content's name."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def card_json(card: VectorCard) -> str:
    """Returns the card as canonical JSON: sorted keys, no spaces."""
    return json.dumps(card.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def _card_of(data: bytes) -> VectorCard:
    header_size = int.from_bytes(data[:8], "little") if len(data) >= 8 else -1
    if not 2 <= header_size <= min(len(data) - 8, MAX_HEADER_BYTES):
        raise _bad("no safetensors header")
    try:
        header = json.loads(data[8 : 8 + header_size])
        text = header["__metadata__"][CARD_KEY]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad(f"no card under the metadata key {CARD_KEY!r}") from error
    try:
        return VectorCard.model_validate_json(text)
    except ValidationError as error:
        raise _bad(f"a card that is not valid: {error}") from error


def _bad(got: str) -> CallerError:
    return CallerError(
        f"not a Steersman vector file: got {got}. Expected safetensors with Steersman's card in "
        "the header; other formats are read by `steersman vectors import`",
        code="invalid_vector_file",
    )
