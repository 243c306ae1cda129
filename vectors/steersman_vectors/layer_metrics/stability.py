"""Whether other examples would have given the same mean difference.

    stability = mean over 20 random splits of cos(mean d of one half, mean d of the other)

Of two sets that are not paired each set is split, and d is the difference of the halves' means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..extract.methods.contract import Sides

SPLITS = 20


def halves(count: int, splits: int, seed: int) -> NDArray[np.bool_]:
    """Returns `[splits, count]`: which examples are in the first half, count // 2 of them."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros((splits, count), dtype=np.bool_)
    for row in chosen:
        row[rng.permutation(count)[: count // 2]] = True
    return chosen


def stability(sides: Sides, *, seed: int = 0) -> float | None:
    """Returns the mean cosine between the halves' differences; None of fewer than two examples."""
    if min(len(sides.positive), len(sides.negative)) < 2:
        return None
    positive = halves(len(sides.positive), SPLITS, seed)
    negative = positive if sides.paired else halves(len(sides.negative), SPLITS, seed + 1)
    one = _means(positive, sides.positive) - _means(negative, sides.negative)
    other = _means(~positive, sides.positive) - _means(~negative, sides.negative)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    if not norms.all():
        return None
    return float(np.mean(np.einsum("ij,ij->i", one, other) / norms))


def _means(chosen: NDArray[np.bool_], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = chosen / chosen.sum(axis=1, keepdims=True)
    means: NDArray[np.float64] = weights @ rows
    return means
