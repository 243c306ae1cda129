"""Where a concept forms: how alike the directions of neighbouring layers are.

    adjacent = cos(v_l, v_m), m the layer read before l

Low where the direction changes, near 1 where it is only carried on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def cosine(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float | None:
    """Returns cos(a, b) in fp64; None where either is zero."""
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    norms = float(np.linalg.norm(wide_a) * np.linalg.norm(wide_b))
    return float(wide_a @ wide_b) / norms if norms > 0 else None
