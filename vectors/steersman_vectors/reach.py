"""How long vectors can make a token, and what an engine's dtype can hold.

A token that overflows is NaN from there on, and so are its keys and values. Masked attention then
multiplies them with 0, which is NaN too, in any request that gets their cache block later. So what
may overflow is refused before it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .card import VectorCard
from .errors import CallerError

STREAM = 1e3
"""Length that a residual stream may have of its own."""
HEADROOM = 8
"""The dtype's largest number is this much above what is let through."""
LARGEST_SQUARABLE = 1e18
"""Norm layers square what they get, in fp32."""


class Reach(NamedTuple):
    """What one unit of alpha does to a token's length over all layers."""

    norm: float
    """What it adds; 0 for scale `token`."""
    token_layers: int
    """Layers at which it adds a part of the token's own length; 0 for all other scales."""


def reach_of(card: VectorCard) -> Reach:
    """Returns the reach of the vector that the card describes."""
    if card.scale == "token":
        return Reach(0.0, len(card.layers))
    return Reach(sum(card.coefficient(layer_idx, 1.0) for layer_idx in card.layers), 0)


def check_reach(doses: Sequence[tuple[float, Reach]], largest_value: float, param: str) -> None:
    """Refuses vectors at these alphas when the dtype may not hold what they make of a token.

    largest_value: of the dtype. Raises `CallerError(alpha_out_of_range)`.
    """
    if not fits(doses, largest_value):
        raise CallerError(
            f"the vectors of this request can make a token {_longest(doses):.3g} long, and this "
            f"engine's dtype leaves room for {_room(largest_value):.3g}. Lower the alphas",
            code="alpha_out_of_range",
            param=param,
        )


def fits(doses: Sequence[tuple[float, Reach]], largest_value: float) -> bool:
    """Returns whether the dtype holds what vectors at these alphas make of a token."""
    return _longest(doses) <= _room(largest_value)


def _room(largest_value: float) -> float:
    return min(largest_value / HEADROOM, LARGEST_SQUARABLE)


def _longest(doses: Sequence[tuple[float, Reach]]) -> float:
    length, growth, layers = STREAM, 1.0, 0
    for alpha, reach in doses:
        length += abs(alpha) * reach.norm
        growth += abs(alpha) if reach.token_layers else 0.0
        layers = max(layers, reach.token_layers)
    try:
        longest: float = length * growth**layers
    except OverflowError:
        return float("inf")
    return longest
