"""What a plan adds to the residual stream, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steersman_vectors.vector import SteeringVector


@dataclass(frozen=True, slots=True)
class LayerDose:
    """The norm of what is added at one layer where the gate is 1."""

    layer_idx: int
    norm: float
    """L2 norm of the summed delta, but for what depends on the token."""
    of_residual: float | None
    """The same as a share of the mean residual norm; None when no card has it."""
    of_token: float
    """What is added on top, as a share of the token's own norm (scale `token`)."""


def doses_per_layer(terms: Sequence[tuple[SteeringVector, float]]) -> tuple[LayerDose, ...]:
    """Returns the dose at each layer of any of the vectors. terms: (vector, alpha)."""
    layers = sorted({layer_idx for vector, _ in terms for layer_idx in vector.layers})
    return tuple(_at(layer_idx, terms) for layer_idx in layers)


def _at(layer_idx: int, terms: Sequence[tuple[SteeringVector, float]]) -> LayerDose:
    here = [(vector, alpha) for vector, alpha in terms if layer_idx in vector.layers]
    fixed = [v.delta(layer_idx, a) for v, a in here if v.card.scale != "token"]
    by_token = [v.delta(layer_idx, a) for v, a in here if v.card.scale == "token"]
    norm = float(np.linalg.norm(np.sum(fixed, axis=0))) if fixed else 0.0
    known = [n for v, _ in here if (n := v.card.layers[layer_idx].residual_norm) is not None]
    return LayerDose(
        layer_idx,
        norm,
        norm / known[0] if known else None,
        float(np.linalg.norm(np.sum(by_token, axis=0))) if by_token else 0.0,
    )
