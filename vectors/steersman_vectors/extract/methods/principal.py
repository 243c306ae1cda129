"""Principal components of few vectors in many dimensions, by the smaller Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 1024
"""Smaller side of the matrix up to which eigenvalues are computed exactly."""


@dataclass(frozen=True, slots=True)
class Components:
    """The first components of centred rows."""

    directions: NDArray[np.float64]
    """`[k, hidden]`, orthonormal; each one's sign is arbitrary."""
    explained: NDArray[np.float64]
    """`[k]`: share of the total variance, falling."""


def principal_components(rows: NDArray[np.float64], count: int, *, seed: int = 0) -> Components:
    """Returns the first `count` principal components of `rows` `[n, hidden]`, or all it has.

    X = rows - mean(rows); X X^T (or X^T X, whichever is smaller) = U S^2 U^T. Above `EXACT_UP_TO`
    by a randomised SVD with power iterations, drawn by `seed`. Rows without variance have none.
    """
    x = rows - rows.mean(axis=0)
    total = float(np.einsum("ij,ij->", x, x))
    count = min(count, len(x) - 1, x.shape[1])
    if count < 1 or total <= 0:
        return Components(np.empty((0, x.shape[1])), np.empty(0))
    directions, squares = (
        _exact(x, count) if min(x.shape) <= EXACT_UP_TO else _randomised(x, count, seed)
    )
    real = squares > total * 1e-24
    return Components(directions[real], squares[real] / total)


def _exact(x: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, hidden = x.shape
    wide = n <= hidden
    gram = x @ x.T if wide else x.T @ x
    values, vectors = np.linalg.eigh(gram)  # rising
    squares = np.maximum(values[::-1][:count], 0.0)
    directions = vectors[:, ::-1][:, :count].T
    if wide:
        directions = directions @ x
        norms = np.linalg.norm(directions, axis=1, keepdims=True)
        directions = directions / np.where(norms > 0, norms, 1.0)
    return directions, squares


def _randomised(
    x: NDArray[np.float64], count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.utils.extmath import randomized_svd

    _, singular, directions = randomized_svd(
        x, count, n_oversamples=20, n_iter=10, random_state=seed
    )
    return directions, singular**2
