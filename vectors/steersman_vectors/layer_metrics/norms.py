"""How long the difference is, by itself and against the residual stream.

    raw_norm      = ||v||, v the undivided difference of the method
    relative_norm = ||v|| / mean ||x||

The second grows with depth in most models whatever the behaviour, so it does not choose a layer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def residual_norm(norms: NDArray[np.float32]) -> float:
    """Returns mean ||x|| over the positions read on both sides; norms: of each example."""
    return float(norms.mean(dtype=np.float64))


def relative_norm(difference: NDArray[np.float64], norms: NDArray[np.float32]) -> float:
    """Returns ||v|| / mean ||x||."""
    return float(np.linalg.norm(difference)) / residual_norm(norms)
