"""Mean difference: v = mean(positive) - mean(negative). Of pairs, the mean of their differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .contract import Options, Sides, no_contrast


def mean_difference(sides: Sides, _options: Options) -> NDArray[np.float64]:
    """Returns mean(positive) - mean(negative), undivided; see `Method`."""
    difference = sides.mean_difference
    if not difference.any():
        raise no_contrast(sides.layer_idx)
    return difference
