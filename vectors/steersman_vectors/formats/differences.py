"""Between files of undivided differences `{layer_idx: [hidden]}` and vectors with a card.

Other programs' files hold one tensor per layer and no card. On the way in the norms taken out go
to the card, so that scale `raw` adds what the file holds; on the way out a file holds what alpha 1
adds. Neither way renormalises anything silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..card import VectorCard
from ..errors import CallerError
from ..scale import Scale
from ..vector import SteeringVector, from_differences

MAX_LAYER_IDX, MAX_HIDDEN_SIZE = 1023, 1_000_000
"""What a card can hold."""
LAYER_NUMBER = "0|[1-9][0-9]{0,3}"
"""Pattern of a layer_idx in names: no sign, no leading zeros."""
UNKNOWN_MODEL = "unknown"
_FP32_MIN, _FP32_MAX = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class ImportedVector:
    """A vector out of another program's file, and how its layers were counted.

    zero_layers: layers that the file fills with zeros; they steer nothing and were left out.
    """

    vector: SteeringVector
    layer_rule: str
    zero_layers: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def to_vector(
    tensors: Mapping[int, NDArray[np.floating]],
    *,
    name: str,
    scale: Scale,
    kind: str,
    layer_rule: str,
    recipe: Mapping[str, Any],
    bad: Callable[[str], CallerError],
    notes: tuple[str, ...] = (),
    **card_fields: Any,
) -> ImportedVector:
    """Returns the vector of the tensors `{layer_idx: [hidden]}`, checked and normalised.

    kind: what the file is, for people. bad: makes the format's error from what was got. Raises
    that error for NaN, infinity, sizes that differ or zeros only; for scale `residual`, whose
    norms such a file does not hold, `CallerError(scale_unavailable)`.
    """
    if scale == "residual":
        raise CallerError(
            f"scale 'residual' needs the mean residual norm of every layer, which a {kind} does "
            "not hold: got --scale residual, expected raw or unit",
            code="scale_unavailable",
            param="scale",
        )
    sizes = sorted({len(tensor) for tensor in tensors.values()})
    if len(sizes) > 1:
        raise bad(f"directions of {sizes} values each")
    if max(tensors, default=0) > MAX_LAYER_IDX:
        raise bad(f"a layer {max(tensors)}, more than {MAX_LAYER_IDX}")
    for layer_idx, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise bad(f"NaN or infinity at layer {layer_idx}")
    zero = tuple(sorted(layer_idx for layer_idx, tensor in tensors.items() if not tensor.any()))
    kept = {layer_idx: tensors[layer_idx] for layer_idx in sorted(tensors) if layer_idx not in zero}
    if not kept:
        raise bad("directions that are all zero" if zero else "no directions")
    vector = from_differences(
        kept,
        name=name,
        scale=scale,
        method=f"imported from a {kind}",
        recipe={**recipe, "layer_rule": layer_rule},
        **card_fields,
    )
    return ImportedVector(vector, layer_rule, zero, notes)


def check_additive(vector: SteeringVector, file_format: str) -> None:
    """Returns when fixed tensors can say what the vector does; else `export_unsupported`."""
    if vector.card.scale == "token":
        raise unsupported(
            vector,
            file_format,
            got="scale 'token', whose strength follows the norm of each token",
            expected="raw, unit or residual, which add the same at every token",
        )
    for layer_idx in vector.layers:
        added = vector.coefficient(layer_idx, 1.0)
        if not _FP32_MIN <= added <= _FP32_MAX:
            raise unsupported(
                vector,
                file_format,
                got=f"an added norm of {added:g} at layer {layer_idx}",
                expected="one that float32 can hold",
            )


def unsupported(
    vector: SteeringVector, file_format: str, *, got: str, expected: str
) -> CallerError:
    """Returns the error for a vector that the format cannot say."""
    return CallerError(
        f"vector {vector.card.name!r} cannot be exported as {file_format}: got {got}, expected "
        f"{expected}. Export it as native, which keeps all of it",
        code="export_unsupported",
    )


def model_hint(card: VectorCard) -> str:
    """Returns the kind of model (`llama`) when an import left it on the card, else `unknown`."""
    hint = card.recipe.get("model_hint")
    return hint if isinstance(hint, str) and hint else UNKNOWN_MODEL
