"""What one unit of alpha means: the coefficient of a unit direction at one layer."""

from __future__ import annotations

from typing import Literal, assert_never

Scale = Literal["raw", "unit", "residual"]
SCALES: tuple[Scale, ...] = ("raw", "unit", "residual")


def coefficient(
    scale: Scale, alpha: float, *, raw_norm: float | None, residual_norm: float | None
) -> float:
    """Returns c with x' = x + gate * c * dir.

    raw: c = alpha * ||v_l||, contrastive activation addition (the undivided difference vector).
    unit: c = alpha, the L2-normalised vector.
    residual: c = alpha * mean residual norm at the layer, as measured at extraction.

    Raises `ValueError` when the card lacks the norm that the scale needs; `VectorCard` refuses
    such a card when it is built, so this is a broken promise, not bad input.
    """
    match scale:
        case "raw":
            norm = raw_norm
        case "residual":
            norm = residual_norm
        case "unit":
            return alpha
        case _:
            assert_never(scale)
    if norm is None:
        raise ValueError(f"scale {scale!r} needs the layer's norm, which the card does not hold")
    return alpha * norm
