"""How well a linear probe tells the sides apart, and how well it would by chance.

    accuracy = mean of both sides' recall, over 5 folds, of a logistic probe on standardised states
    null     = the same for 100 labellings drawn at random
    p        = (1 + labellings that do as well) / (1 + labellings)

A pair stays in one fold, and a random labelling of pairs swaps the sides of some: so what both
sides of a pair share (the topic) helps nobody. The probe's C is 1 / hidden, as `methods/probe.py`
has it. A high accuracy does not promise good steering; one within the null promises bad.

Cost per layer and fold: one eigendecomposition of min(examples, hidden), then two products
`[examples, min(examples, hidden)] x [.., 101]` per step for all labellings together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..extract.methods.contract import Sides
from . import logistic

FOLDS = 5
PERMUTATIONS = 100


@dataclass(frozen=True, slots=True)
class ProbeAccuracy:
    """Cross-validated accuracy, and what chance gives."""

    accuracy: float
    standard_error: float
    """Of the accuracy, by the number of examples: sqrt(a (1 - a) / n)."""
    null_mean: float
    null_95: float
    """95 of 100 random labellings do no better."""
    p_value: float


def probe_accuracy(
    sides: Sides, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> ProbeAccuracy | None:
    """Returns how well both sides are told apart; None where a side has fewer than two examples."""
    folds = min(FOLDS, len(sides.positive), len(sides.negative))
    if folds < 2:
        return None
    rng = np.random.default_rng(seed)
    fold = fold_of_each(sides, folds, rng)
    labels = labellings(sides, permutations, rng)
    right = cross_validated(sides, fold, labels)
    accuracies = balanced(right, labels)
    observed, null = float(accuracies[0]), accuracies[1:]
    return ProbeAccuracy(
        accuracy=observed,
        standard_error=float(np.sqrt(observed * (1 - observed) / len(right))),
        null_mean=float(null.mean()),
        null_95=float(np.quantile(null, 0.95)),
        p_value=float((1 + np.count_nonzero(null >= observed - 1e-12)) / (1 + len(null))),
    )


def fold_of_each(sides: Sides, folds: int, rng: np.random.Generator) -> NDArray[np.int_]:
    """Returns the fold of each example, the positive ones first; a pair is in one fold."""
    positive = rng.permutation(len(sides.positive)) % folds
    negative = positive if sides.paired else rng.permutation(len(sides.negative)) % folds
    return np.concatenate([positive, negative])


def labellings(sides: Sides, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns `[examples, 1 + count]`: the true labels, then random ones."""
    n, m = len(sides.positive), len(sides.negative)
    true = np.repeat([True, False], [n, m])
    columns = [true]
    for _ in range(count):
        if sides.paired:
            swapped = rng.random(n) < 0.5
            columns.append(np.concatenate([~swapped, swapped]))
        else:
            columns.append(rng.permutation(true))
    return np.stack(columns, axis=1)


def cross_validated(
    sides: Sides, fold: NDArray[np.int_], labels: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Returns `[examples, labellings]`: whether each is told right by a probe that never saw it."""
    x = np.concatenate([sides.positive, sides.negative])
    right = np.zeros(labels.shape, dtype=np.bool_)
    for k in range(int(fold.max()) + 1):
        out = fold == k
        axes = logistic.on_axes(x[~out], x[out])
        w, b = logistic.fit(axes, labels[~out], penalty=float(x.shape[1]))
        right[out] = (axes.test @ w + b > 0) == labels[out]
    return right


def balanced(right: NDArray[np.bool_], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean of both labels' recall, per column."""
    of_true = (right & labels).sum(axis=0) / labels.sum(axis=0)
    of_false = (right & ~labels).sum(axis=0) / (~labels).sum(axis=0)
    mean: NDArray[np.float64] = (of_true + of_false) / 2
    return mean
