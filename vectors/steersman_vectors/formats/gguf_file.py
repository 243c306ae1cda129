"""GGUF control vectors, as llama.cpp and repeng write them: F32 `direction.<k>` of `[hidden]`.

Layer rule: k = layer_idx. llama.cpp keeps `direction.<k>` at offset (k - 1) * hidden and takes the
tensor of its zero-based block il from offset (il - 1) * hidden, so `direction.<k>` is added to the
output of block k: x'[t] = x[t] + strength * direction.<k>, at every position. There is no slot for
block 0: llama.cpp refuses a file with `direction.0`, which repeng can write and apply.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

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
    unsupported,
)
from .gguf_layout import F32, TYPE_NAMES, Layout, TensorInfo, bad, read_layout
from .native import digest

LAYER_RULE = "direction.<k> is added after decoder block k (k = layer_idx, zero-based)"
ARCHITECTURE = "controlvector"
LAYER_ZERO_NOTE = (
    "direction.0 is added after block 0, as repeng does; llama.cpp refuses such a file"
)
_TENSOR = re.compile(rf"direction\.({LAYER_NUMBER})")
_ADDS = {"glp.mode": "add", "glp.hook_point": "residual_stream_post_layer"}
"""Keys by which a file says that it is for another operation or place than ours."""


def loads(data: bytes, *, name: str, scale: Scale = "raw") -> ImportedVector:
    """Returns the control vector in `data`, named `name`.

    scale `raw` keeps the file's own strength: alpha 1 adds the tensors as they are. `unit` makes
    alpha the norm of what is added. Raises `CallerError`: `invalid_vector_file`, or
    `scale_unavailable` for `residual`.
    """
    layout = read_layout(data)
    _check_operation(layout)
    tensors = _directions(layout, data)
    return to_vector(
        tensors,
        name=name,
        scale=scale,
        kind="GGUF control vector",
        layer_rule=LAYER_RULE,
        recipe={
            "format": "gguf",
            "sha256": digest(data),
            "model_hint": str(layout.keys.get("controlvector.model_hint", ""))[:200],
        },
        bad=bad,
        notes=(LAYER_ZERO_NOTE,) if 0 in tensors and tensors[0].any() else (),
    )


def dumps(vector: SteeringVector) -> bytes:
    """Returns the control vector that adds at strength 1 what `vector` adds at alpha 1.

    Raises `CallerError(export_unsupported)` for layer 0 and for scale `token`.
    """
    from gguf import GGUFWriter  # takes a while to import, and only exports need it

    check_additive(vector, "gguf")
    if 0 in vector.layers:
        raise unsupported(
            vector,
            "gguf",
            got="a direction at layer 0",
            expected="layers from 1 up: llama.cpp refuses a file with direction.0",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vector.gguf"
        writer = GGUFWriter(path, ARCHITECTURE)
        writer.add_string(f"{ARCHITECTURE}.model_hint", model_hint(vector.card))
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(vector.layers))
        if vector.card.description:
            writer.add_description(vector.card.description)
        if vector.card.license:
            writer.add_license(vector.card.license)
        for layer_idx in vector.layers:
            writer.add_tensor(f"direction.{layer_idx}", vector.delta(layer_idx, 1.0))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def _check_operation(layout: Layout) -> None:
    """Refuses directions that are projected out, or meant for another place in the block."""
    for key, expected in _ADDS.items():
        got = layout.keys.get(key, expected)
        if got != expected:
            raise CallerError(
                f"not an additive control vector: got {key} = {str(got)[:80]!r}, expected "
                f"{expected!r} or no such key. Adding these directions would do something else "
                "than they were made for",
                code="invalid_vector_file",
            )


def _directions(layout: Layout, data: bytes) -> dict[int, NDArray[np.float32]]:
    found: dict[int, NDArray[np.float32]] = {}
    for info in layout.tensors:
        match = _TENSOR.fullmatch(info.name)
        if match is None or int(match[1]) > MAX_LAYER_IDX:
            kind = layout.keys.get("general.architecture", "unknown")
            raise bad(f"a tensor named {info.name[:80]!r} in a file of architecture {kind!r}")
        found[int(match[1])] = _tensor(info, data)
    if not found:
        raise bad("no tensors")
    return found


def _tensor(info: TensorInfo, data: bytes) -> NDArray[np.float32]:
    if info.type_id != F32:
        raise bad(f"{info.name!r} in {TYPE_NAMES.get(info.type_id, f'type {info.type_id}')}")
    size = info.dims[0] if info.dims else 0
    if not 0 < size <= MAX_HIDDEN_SIZE or any(dim != 1 for dim in info.dims[1:]):
        raise bad(f"{info.name!r} of shape {list(info.dims)}")
    if info.start + 4 * size > len(data):
        raise bad(f"a truncated file: {info.name!r} ends after the last byte")
    return np.frombuffer(data, dtype="<f4", count=size, offset=info.start)
