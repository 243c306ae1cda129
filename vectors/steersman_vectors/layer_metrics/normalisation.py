"""Whether a few long differences decide the direction.

    normalisation = cos(mean d, mean(d / ||d||))

1: long and short differences agree. Far below 1: pairs with long differences point elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .between_layers import cosine
from .consistency import unit_rows


def normalisation_sensitivity(differences: NDArray[np.float64]) -> float | None:
    """Returns the cosine for `[pairs, hidden]`; None where either mean is zero."""
    unit = unit_rows(differences)
    return cosine(differences.mean(axis=0), unit.mean(axis=0)) if len(unit) else None
