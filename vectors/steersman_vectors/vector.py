"""The steering vector: immutable per-layer unit directions with a card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .card import LayerNorms, VectorCard
from .errors import CallerError
from .scale import Scale

UNIT_NORM_TOLERANCE = 1e-4
"""fp32 directions of any hidden size reach |norm - 1| well below this."""


@dataclass(frozen=True, eq=False)
class SteeringVector:
    """Directions `{layer_idx: fp32 [hidden], unit L2 norm}` and the card that describes them.

    Raises `CallerError(invalid_vector)` when built from anything else: another shape, a NaN or
    infinity, a norm that is not 1, or layers that differ from the card's.
    """

    card: VectorCard
    directions: Mapping[int, NDArray[np.float32]]

    def __post_init__(self) -> None:
        if set(self.directions) != set(self.card.layers):
            raise _invalid(
                self.card.name,
                f"tensors at layers {sorted(self.directions)}",
                f"the card's layers {sorted(self.card.layers)}",
            )
        frozen: dict[int, NDArray[np.float32]] = {}
        for layer_idx in sorted(self.directions):
            frozen[layer_idx] = _checked(self.card, layer_idx, self.directions[layer_idx])
        object.__setattr__(self, "directions", MappingProxyType(frozen))

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers the vector has a direction for, ascending."""
        return tuple(self.directions)

    def restricted(self, layers: Iterable[int]) -> SteeringVector:
        """Returns the vector at these layers alone; itself where those are all it has.

        What was measured with all of its layers (presets, alpha_max, quality) is not on the new
        card. Raises `CallerError(layers_not_in_vector)`.
        """
        chosen = sorted(set(layers))
        lacking = [layer_idx for layer_idx in chosen if layer_idx not in self.directions]
        if lacking or not chosen:
            raise CallerError(
                f"vector {self.card.name!r} cannot be restricted to layers {chosen}: it has "
                f"directions at {list(self.layers)}. Choose among those",
                code="layers_not_in_vector",
            )
        if len(chosen) == len(self.directions):
            return self
        card = self.card.model_copy(
            update={
                "layers": {layer_idx: self.card.layers[layer_idx] for layer_idx in chosen},
                "alpha_max": None,
                "quality": {},
                "presets": {},
            }
        )
        return SteeringVector(card, {layer_idx: self.directions[layer_idx] for layer_idx in chosen})

    def coefficient(self, layer_idx: int, alpha: float) -> float:
        """Returns c with x' = x + gate * c * direction at that layer."""
        return self.card.coefficient(layer_idx, alpha)

    def delta(self, layer_idx: int, alpha: float) -> NDArray[np.float32]:
        """Returns c * direction, fp32 `[hidden]`: what is added at that layer at gate 1."""
        return (self.coefficient(layer_idx, alpha) * self.directions[layer_idx]).astype(np.float32)


def from_differences(
    differences: Mapping[int, NDArray[np.floating]],
    *,
    name: str,
    scale: Scale,
    residual_norms: Mapping[int, float] | None = None,
    **card_fields: Any,
) -> SteeringVector:
    """Returns the vector of undivided differences `{layer_idx: [hidden]}`, normalised per layer.

    The norms taken out go to the card as `raw_norm`, so scale `raw` restores the differences.
    residual_norms: mean residual norm per layer, for scale `residual`. card_fields: other fields
    of the card. Raises `CallerError(invalid_vector)` for a zero or non-finite difference.
    """
    directions: dict[int, NDArray[np.float32]] = {}
    layers: dict[int, LayerNorms] = {}
    for layer_idx, difference in differences.items():
        wide = np.asarray(difference, dtype=np.float64)
        norm = float(np.linalg.norm(wide))
        if not np.isfinite(norm) or norm == 0.0:
            raise _invalid(name, f"norm {norm} at layer {layer_idx}", "a positive finite norm")
        directions[layer_idx] = (wide / norm).astype(np.float32)
        layers[layer_idx] = LayerNorms(
            raw_norm=norm, residual_norm=(residual_norms or {}).get(layer_idx)
        )
    hidden_size = len(next(iter(directions.values()))) if directions else 0
    card = VectorCard(name=name, hidden_size=hidden_size, layers=layers, scale=scale, **card_fields)
    return SteeringVector(card, directions)


def _checked(
    card: VectorCard, layer_idx: int, direction: NDArray[np.float32]
) -> NDArray[np.float32]:
    if direction.dtype != np.float32 or direction.shape != (card.hidden_size,):
        raise _invalid(
            card.name,
            f"{direction.dtype} {list(direction.shape)} at layer {layer_idx}",
            f"float32 [{card.hidden_size}]",
        )
    if not np.isfinite(direction).all():
        raise _invalid(card.name, f"NaN or infinity at layer {layer_idx}", "finite values")
    norm = float(np.linalg.norm(direction.astype(np.float64)))
    if abs(norm - 1.0) > UNIT_NORM_TOLERANCE:
        raise _invalid(
            card.name,
            f"a direction of norm {norm:.6g} at layer {layer_idx}",
            "unit norm (import it with --scale raw to keep its norm on the card)",
        )
    own = direction.copy()
    own.flags.writeable = False
    return own


def _invalid(name: str, got: str, expected: str) -> CallerError:
    return CallerError(
        f"vector {name!r} cannot be used: got {got}, expected {expected}", code="invalid_vector"
    )
