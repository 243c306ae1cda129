"""Whether pairs agree on the direction.

    consistency = mean over i != j of cos(d_i, d_j) = (||sum u||^2 - n) / (n (n - 1)), u = d / ||d||

1: all differences point the same way; 0: they have nothing in common. Pairs that do not differ at
all are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def consistency(differences: NDArray[np.float64]) -> float | None:
    """Returns the mean pairwise cosine of `[pairs, hidden]`; None of fewer than two."""
    unit = unit_rows(differences)
    n = len(unit)
    if n < 2:
        return None
    total = unit.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the rows that are not zero, each at norm 1."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    kept = norms[:, 0] > 0
    unit: NDArray[np.float64] = rows[kept] / norms[kept]
    return unit
