"""What else of the registry points the same way: vectors that would move each other's behaviour.

    interference = cos(v_l, w_l) for every other registered vector w of the same base model

Near 0: independent. Near 1 or -1: steering by one steers the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..vector import SteeringVector
from .between_layers import cosine

MOST = 5
"""How many vectors are kept per layer, the most alike first."""


def interference(
    difference: NDArray[np.float64], layer_idx: int, others: Mapping[str, SteeringVector]
) -> dict[str, float]:
    """Returns cos with each of `others` at that layer, the most alike first, at most `MOST`."""
    found = {
        name: cosine(difference, other.directions[layer_idx])
        for name, other in others.items()
        if layer_idx in other.directions and other.card.hidden_size == len(difference)
    }
    real = {name: value for name, value in found.items() if value is not None}
    return dict(sorted(real.items(), key=lambda item: (-abs(item[1]), item[0]))[:MOST])
