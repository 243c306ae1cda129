"""GGUF control vectors, as llama.cpp and repeng write them: F32 `direction.<k>` of `[hidden]`.

Layer rule: k = layer_idx. llama.cpp adds `direction.<k>` to the output of its zero-based block k.
The directions are kept undivided by scale `raw`: their norms go to the card.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import CallerError
from ..scale import Scale
from ..vector import SteeringVector, from_differences
from .gguf_layout import F32, TYPE_NAMES, Layout, TensorInfo, bad, read_layout
from .native import digest

LAYER_RULE = "direction.<k> is added after decoder block k (k = layer_idx, zero-based)"
MAX_LAYER_IDX, MAX_HIDDEN_SIZE = 1023, 1_000_000
"""What a card can hold."""
_TENSOR = re.compile(r"direction\.(0|[1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class GgufVector:
    """A control vector and the layers that the file fills with zeros, which steer nothing."""

    vector: SteeringVector
    zero_layers: tuple[int, ...]


def loads(data: bytes, *, name: str, scale: Scale = "raw") -> GgufVector:
    """Returns the control vector in `data`, named `name`.

    scale `raw` keeps the file's own strength: alpha 1 adds the tensors as they are. `unit` makes
    alpha the norm of what is added. Raises `CallerError(invalid_vector_file)`; for `residual`,
    which needs norms that a GGUF file does not hold, `CallerError(scale_unavailable)`.
    """
    if scale == "residual":
        raise CallerError(
            "scale 'residual' needs the mean residual norm of every layer, which a GGUF file does "
            "not hold: got --scale residual, expected raw or unit",
            code="scale_unavailable",
            param="scale",
        )
    layout = read_layout(data)
    tensors = _directions(layout, data)
    zero = tuple(k for k, tensor in tensors.items() if not tensor.any())
    kept = {k: tensor for k, tensor in tensors.items() if k not in zero}
    if not kept:
        raise bad("directions that are all zero")
    vector = from_differences(
        kept,
        name=name,
        scale=scale,
        method="imported from a GGUF control vector",
        recipe={
            "format": "gguf",
            "sha256": digest(data),
            "model_hint": str(layout.keys.get("controlvector.model_hint", ""))[:200],
            "layer_rule": LAYER_RULE,
        },
    )
    return GgufVector(vector, zero)


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
    if len({len(tensor) for tensor in found.values()}) > 1:
        raise bad(f"directions of {sorted({len(t) for t in found.values()})} values each")
    return dict(sorted(found.items()))


def _tensor(info: TensorInfo, data: bytes) -> NDArray[np.float32]:
    if info.type_id != F32:
        raise bad(f"{info.name!r} in {TYPE_NAMES.get(info.type_id, f'type {info.type_id}')}")
    size = info.dims[0] if info.dims else 0
    if not 0 < size <= MAX_HIDDEN_SIZE or any(dim != 1 for dim in info.dims[1:]):
        raise bad(f"{info.name!r} of shape {list(info.dims)}")
    if info.start + 4 * size > len(data):
        raise bad(f"a truncated file: {info.name!r} ends after the last byte")
    tensor = np.frombuffer(data, dtype="<f4", count=size, offset=info.start)
    if not np.isfinite(tensor).all():
        raise bad(f"NaN or infinity in {info.name!r}")
    return tensor
