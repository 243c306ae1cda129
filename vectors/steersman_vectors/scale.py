"""What one unit of alpha means: the coefficient of a unit direction at one layer.

| scale | c with x' = x + gate * c * dir |
|---|---|
| `raw` | alpha * norm of the undivided difference vector (contrastive activation addition) |
| `unit` | alpha |
| `residual` | alpha * mean norm of the residual stream at the layer, as measured at extraction |
| `token` | alpha * norm of the residual stream at that very token |
"""

from __future__ import annotations

from typing import Literal, assert_never

Scale = Literal["raw", "unit", "residual", "token"]
SCALES: tuple[Scale, ...] = ("raw", "unit", "residual", "token")


def coefficient(
    scale: Scale, alpha: float, *, raw_norm: float | None, residual_norm: float | None
) -> float:
    """Returns c with x' = x + gate * c * dir; for `token`, c per unit of the token's norm.

    Raises `ValueError` when the card lacks the norm that the scale needs; `VectorCard` refuses
    such a card when it is built, so this is a broken promise, not bad input.
    """
    match scale:
        case "raw":
            norm = raw_norm
        case "residual":
            norm = residual_norm
        case "unit" | "token":
            return alpha
        case _:
            assert_never(scale)
    if norm is None:
        raise ValueError(f"scale {scale!r} needs the layer's norm, which the card does not hold")
    return alpha * norm
