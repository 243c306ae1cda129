"""`.svec` JSON, as IBM's activation-steering and AISteer360 save steering vectors.

    {"model_type": "llama",
     "directions": {"<l>": [hidden numbers]},        or [[hidden numbers]], one row
     "explained_variances": {"<l>": number},         optional, not read
     "steersman": {"version": 1, "name": ..., "description": ..., "license": ...}}    optional, ours

Layer rule: l = layer_idx, the block at whose output those programs measure the direction. Their
controls that hook layer outputs add it there too; only their CAST adds it at the block's input,
one block earlier. Several rows per layer (one per position, or a basis) and directions of single
attention heads are other operations, and refused, as is any key that is not listed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CallerError
from ..scale import Scale
from ..vector import SteeringVector
from .differences import (
    LAYER_NUMBER,
    MAX_HIDDEN_SIZE,
    MAX_LAYER_IDX,
    ImportedVector,
    check_additive,
    model_hint,
    to_vector,
)
from .native import digest

LAYER_RULE = "directions.<l> is added after decoder block l (l = layer_idx, zero-based)"
CAST_NOTE = (
    "CAST of activation-steering and AISteer360 adds directions.<l> at the input of block l, one "
    "block earlier than here"
)
VERSION = 1
MAX_BYTES = 128 * 1024 * 1024
MAX_BRACKETS = 8192
"""Opening brackets in the file: a limit of depth, and of memory for lists of lists."""
_LAYER = re.compile(LAYER_NUMBER)
_HEAD_KEYS = ("num_heads", "head_dim", "probe_accuracies")
_KEYS = {"model_type", "directions", "explained_variances", "steersman", *_HEAD_KEYS}
_OWN_KEYS = {"version", "name", "description", "license"}


def loads(data: bytes, *, name: str, scale: Scale = "raw") -> ImportedVector:
    """Returns the vector in `data`, named `name`; alpha 1 in scale `raw` adds it as it is.

    Raises `CallerError`: `invalid_vector_file`, or `scale_unavailable` for `residual`.
    """
    document = _document(data)
    own = _own(document)
    return to_vector(
        _directions(document),
        name=name,
        scale=scale,
        kind="svec file",
        layer_rule=LAYER_RULE,
        recipe={
            "format": "svec",
            "sha256": digest(data),
            "model_hint": _text(document, "model_type")[:200],
        },
        bad=_bad,
        notes=() if own else (CAST_NOTE,),
        description=_text(own, "description"),
        license=_text(own, "license"),
    )


def dumps(vector: SteeringVector) -> bytes:
    """Returns the file whose directions are what `vector` adds at alpha 1, in full precision.

    Raises `CallerError(export_unsupported)` for scale `token`.
    """
    check_additive(vector, "svec")
    card = vector.card
    own = {
        "version": VERSION,
        "name": card.name,
        "description": card.description,
        "license": card.license,
    }
    # NOTE: json.dumps keeps the GIL until it is done; a layer at a time lets other threads go on.
    layers = (f'"{layer_idx}": {_numbers(vector, layer_idx)}' for layer_idx in vector.layers)
    head = json.dumps({"model_type": model_hint(card)})[:-1]
    tail = json.dumps({"explained_variances": {}, "steersman": own})[1:]
    return f'{head}, "directions": {{{", ".join(layers)}}}, {tail}'.encode()


def _numbers(vector: SteeringVector, layer_idx: int) -> str:
    added = vector.coefficient(layer_idx, 1.0) * vector.directions[layer_idx].astype(float)
    return json.dumps(added.tolist(), allow_nan=False)


def _document(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise _bad(f"{len(data)} bytes, more than {MAX_BYTES}")
    if data.count(b"[") + data.count(b"{") > MAX_BRACKETS:
        raise _bad(f"more than {MAX_BRACKETS} lists and objects")
    try:
        document = json.loads(
            data.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise _bad(f"text that is not JSON ({str(error)[:200]})") from error
    if not isinstance(document, dict):
        raise _bad(f"JSON of a {type(document).__name__}, no object")
    unknown = sorted(set(document) - _KEYS)
    if unknown:
        raise _bad(f"unknown keys {[key[:80] for key in unknown[:5]]}")
    heads = [key for key in _HEAD_KEYS if document.get(key) is not None]
    if heads:
        raise _bad(f"directions of single attention heads ({', '.join(heads)})")
    return document


def _own(document: Mapping[str, Any]) -> Mapping[str, Any]:
    own = document.get("steersman", {})
    if not isinstance(own, dict) or not set(own) <= _OWN_KEYS:
        raise _bad(f"a key 'steersman' that is no object of {sorted(_OWN_KEYS)}")
    if own and own.get("version") != VERSION:
        raise _bad(f"version {str(own.get('version'))[:80]!r} of the key 'steersman'")
    return own


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key, "")
    if not isinstance(value, str):
        raise _bad(f"{key!r} of type {type(value).__name__}")
    return value


def _directions(document: Mapping[str, Any]) -> dict[int, NDArray[np.float64]]:
    directions = document.get("directions")
    if not isinstance(directions, dict) or not directions:
        raise _bad("no object 'directions' with a layer in it")
    found = {}
    for key, values in directions.items():
        if _LAYER.fullmatch(key) is None or int(key) > MAX_LAYER_IDX:
            raise _bad(f"a layer {key[:80]!r}")
        found[int(key)] = _direction(key, values)
    return found


def _direction(key: str, values: object) -> NDArray[np.float64]:
    if isinstance(values, list) and values and all(isinstance(row, list) for row in values):
        if len(values) > 1:
            raise _bad(f"{len(values)} rows at layer {key}, which are not one direction")
        values = values[0]
    if not isinstance(values, list) or not 0 < len(values) <= MAX_HIDDEN_SIZE:
        raise _bad(f"no list of 1 to {MAX_HIDDEN_SIZE} numbers at layer {key}")
    if not all(type(value) in (int, float) for value in values):
        raise _bad(f"values that are not numbers at layer {key}")
    try:
        return np.array([float(value) for value in values])
    except OverflowError as error:
        raise _bad(f"an integer too large at layer {key}") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice in one object")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} for a number")


def _bad(got: str) -> CallerError:
    return CallerError(
        f"not a steering vector in .svec JSON: got {got}. Expected 'model_type' and 'directions', "
        "an object of one list of [hidden_size] numbers per zero-based layer",
        code="invalid_vector_file",
    )
