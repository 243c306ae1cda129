"""The metrics as their formulas read, pair by pair: slow, and plain to check by eye."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from sklearn.linear_model import LogisticRegression

from steersman_vectors.extract.methods.contract import Sides
from steersman_vectors.layer_metrics.stability import SPLITS, halves

Rows = np.ndarray


def length(vector: Rows) -> float:
    return math.sqrt(sum(float(x) ** 2 for x in vector))


def cosine(a: Rows, b: Rows) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True)) / (length(a) * length(b))


def mean(rows: list[Rows]) -> Rows:
    return sum(rows[1:], start=rows[0]) / len(rows)


def consistency(differences: Rows) -> float:
    pairs = list(combinations(differences, 2))
    return sum(cosine(a, b) for a, b in pairs) / len(pairs)


def signal_to_noise(differences: Rows) -> float:
    lengths = [length(d) for d in differences]
    middle = sum(lengths) / len(lengths)
    spread = math.sqrt(sum((x - middle) ** 2 for x in lengths) / len(lengths))
    return length(mean(list(differences))) / spread


def normalisation(differences: Rows) -> float:
    return cosine(mean(list(differences)), mean([d / length(d) for d in differences]))


def explained_variance(differences: Rows, count: int) -> list[float]:
    """Of numpy's covariance, whose eigenvalues are the components' variances."""
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(differences, rowvar=False)))[::-1]
    return [float(v) for v in values[:count] / values.sum()]


def stability(sides: Sides, seed: int) -> float:
    """Halves drawn as the fast path draws them; all else by loops."""
    first = halves(len(sides.positive), SPLITS, seed)
    second = first if sides.paired else halves(len(sides.negative), SPLITS, seed + 1)
    found = []
    for p, n in zip(first, second, strict=True):
        parts = []
        for side in (True, False):
            up = mean(
                [row for row, chosen in zip(sides.positive, p, strict=True) if chosen == side]
            )
            down = mean(
                [row for row, chosen in zip(sides.negative, n, strict=True) if chosen == side]
            )
            parts.append(up - down)
        found.append(cosine(*parts))
    return sum(found) / len(found)


def told_right(x: Rows, fold: Rows, labels: Rows) -> Rows:
    """Returns whether scikit-learn's probe, fitted without its fold, tells each example right."""
    right = np.zeros(len(x), dtype=bool)
    for k in sorted(set(fold.tolist())):
        out = fold == k
        std = x[~out].std(axis=0)
        std[std == 0] = 1
        z = (x - x[~out].mean(axis=0)) / std
        probe = LogisticRegression(C=1 / x.shape[1], max_iter=5000, tol=1e-8)
        right[out] = probe.fit(z[~out], labels[~out]).predict(z[out]) == labels[out]
    return right
