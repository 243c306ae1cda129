"""Regularised logistic regression of many labellings of the same examples at once.

For each column y of labels it minimises sum(log(1 + exp(-+ f))) + penalty / 2 |w|^2 with
f = Z w + b, b free: what scikit-learn's LogisticRegression does one column at a time at
C = 1 / penalty. The examples are rotated onto their principal axes, where Z^T Z is diagonal (s^2);
the Hessian is never above Z^T Z / 4 + penalty, so one division is a step that cannot overshoot
(Boehning 1992), and Nesterov's momentum, begun anew where it points uphill, makes the steps few.
All columns share the two matrix products of a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
TOLERANCE = 1e-4
"""Largest gradient that is left, per unit of the bound's step: far below what moves a label."""
MAX_STEPS = 500
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Axes:
    """Training examples on their principal axes, and others on the same."""

    train: Matrix
    """`[n, rank]`, columns orthogonal, each of mean 0."""
    test: Matrix
    """`[m, rank]`"""
    squares: NDArray[np.float64]
    """`[rank]`: squared length of each training column."""


def on_axes(train: Matrix, test: Matrix) -> Axes:
    """Returns standardised examples on the training examples' principal axes.

    Both are standardised by the training examples; dimensions that never move are left out. Works
    on the smaller of Z Z^T and Z^T Z.
    """
    std = train.std(axis=0)
    moves = std > 0
    centre, std = train.mean(axis=0)[moves], std[moves]
    z, other = (train[:, moves] - centre) / std, (test[:, moves] - centre) / std
    wide = len(z) <= z.shape[1]
    squares, vectors = np.linalg.eigh(z @ z.T if wide else z.T @ z)
    real = squares > max(float(squares[-1]), 0.0) * _RANK_TOLERANCE if len(squares) else squares > 0
    squares, vectors = squares[real], vectors[:, real]
    if not wide:
        return Axes(z @ vectors, other @ vectors, squares)
    lengths = np.sqrt(squares)
    return Axes(vectors * lengths, (other @ z.T) @ (vectors / lengths), squares)


def fit(axes: Axes, labels: NDArray[np.bool_], penalty: float) -> tuple[Matrix, Matrix]:
    """Returns weights `[rank, columns]` on the axes and intercepts `[columns]`.

    labels: `[n, columns]`.
    """
    z, y = axes.train, labels.astype(np.float64)
    step = 1.0 / (axes.squares / 4 + penalty)[:, None]
    w, b = np.zeros((z.shape[1], y.shape[1])), np.zeros(y.shape[1])
    w_ahead, b_ahead, momentum = w, b, np.ones(y.shape[1])
    for _ in range(MAX_STEPS):
        error = _sigmoid(z @ w_ahead + b_ahead) - y
        w_step = (z.T @ error + penalty * w_ahead) * step
        b_step = error.sum(axis=0) * (4.0 / len(z))
        w_next, b_next = w_ahead - w_step, b_ahead - b_step
        if max(np.abs(w_step).max(initial=0.0), np.abs(b_step).max()) < TOLERANCE:
            return w_next, b_next
        uphill = np.einsum("ij,ij->j", w_step / step, w_next - w) > 0
        momentum = np.where(uphill, 1.0, momentum)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        carry = np.where(uphill, 0.0, (momentum - 1) / following)
        w_ahead = w_next + carry * (w_next - w)
        b_ahead = b_next + carry * (b_next - b)
        w, b, momentum = w_next, b_next, following
    return w, b


def _sigmoid(x: Matrix) -> Matrix:
    result: Matrix = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result
