"""How far two vectors agree, layer by layer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .vector import SteeringVector


@dataclass(frozen=True, slots=True)
class LayerComparison:
    """Two vectors at one layer; None where only one of them has a direction."""

    layer_idx: int
    cosine: float | None
    """1: the same direction, 0: nothing in common, -1: opposite."""
    norm_a: float | None
    """Norm of what is added at alpha 1, in units of the residual stream (scale `token`: of the
    token's norm)."""
    norm_b: float | None


def compare(a: SteeringVector, b: SteeringVector) -> tuple[LayerComparison, ...]:
    """Returns the comparison at every layer that either has, ascending."""
    return tuple(_at(a, b, layer_idx) for layer_idx in sorted({*a.layers, *b.layers}))


def _at(a: SteeringVector, b: SteeringVector, layer_idx: int) -> LayerComparison:
    norm_a, norm_b = (
        abs(v.coefficient(layer_idx, 1.0)) if layer_idx in v.directions else None for v in (a, b)
    )
    cosine = None
    if norm_a is not None and norm_b is not None and a.card.hidden_size == b.card.hidden_size:
        wide_a, wide_b = (v.directions[layer_idx].astype(np.float64) for v in (a, b))
        found = float(wide_a @ wide_b / (np.linalg.norm(wide_a) * np.linalg.norm(wide_b)))
        cosine = min(1.0, max(-1.0, found))  # rounding leads past the ends
    return LayerComparison(layer_idx, cosine, norm_a, norm_b)
