"""Fits a head to labelled texts: multinomial logistic regression, calibrated, with thresholds.

All choices are made by cross-validation on the training texts, one phrasing always on one side:
the penalty and the temperature by log-loss, then both thresholds. Only here is scikit-learn used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .head import OTHER, Floats, Head

FOLDS = 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)
"""scikit-learn's C."""
TEMPERATURES = np.geomspace(0.2, 5.0, 60)
RIGHT_SHARE = 0.9
"""The threshold is the lowest at which so many of the given labels are right."""
FALSE_ALARMS = 0.03
"""The safety threshold is the lowest at which no more of the other texts are taken for it.

A false alarm costs a turn its steering; a miss steers somebody in danger.
"""
LOWEST, HIGHEST = 0.3, 0.9
"""Of either threshold."""
CANDIDATES = np.arange(30, 90) / 100

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head with the choices made for it."""

    head: Head
    temperature: float
    threshold: float
    safety_threshold: float


def fit(
    views: Sequence[Floats], labels: Sequence[str], groups: Sequence[str], safety: frozenset[str]
) -> Fitted:
    """Returns a head for texts, each `[whole and sentences, dimensions]`; labels may be `OTHER`."""
    vectors = np.stack([each[0] for each in views])
    classes = tuple(sorted(set(labels) - {OTHER})) + ((OTHER,) if OTHER in labels else ())
    targets = np.array([classes.index(label) for label in labels])
    folds = _folds(targets, groups)
    tried = [(_out_of_fold(views, targets, folds, c), c) for c in PENALTIES]
    logits, penalty = min(tried, key=lambda each: _coolest(_whole(each[0]), targets)[0])
    temperature = _coolest(_whole(logits), targets)[1]
    shares = softmax(_whole(logits) / temperature)
    is_safety = np.array([name in safety for name in classes])
    peaks = np.array([_peak(softmax(each / temperature)[:, is_safety]) for each in logits])
    weight, bias = _regression(vectors, targets, penalty)
    return Fitted(
        Head(
            classes,
            np.ascontiguousarray(weight / temperature, np.float32),
            np.ascontiguousarray(bias / temperature, np.float32),
        ),
        temperature,
        answer_threshold(shares, targets, classes),
        alarm_threshold(peaks, is_safety[targets]),
    )


def answer_threshold(shares: Floats, targets: Indices, classes: tuple[str, ...]) -> float:
    """Returns the lowest threshold at which `RIGHT_SHARE` of the labels given are right."""
    labelled = shares[:, : len(classes) - 1] if classes[-1] == OTHER else shares
    best, scores = labelled.argmax(axis=1), labelled.max(axis=1)
    right = best == targets
    for threshold in CANDIDATES:
        given = scores >= threshold
        if not given.any() or right[given].mean() >= RIGHT_SHARE:
            return float(threshold)
    return HIGHEST


def alarm_threshold(peaks: Floats, is_safety: NDArray[np.bool_]) -> float:
    """Returns the lowest threshold at which `FALSE_ALARMS` of the other texts reach it.

    peaks: the highest probability of a safety label in any view of each text.
    """
    if is_safety.all():
        return HIGHEST
    for threshold in CANDIDATES:
        if (peaks[~is_safety] >= threshold).mean() <= FALSE_ALARMS:
            return float(threshold)
    return HIGHEST


def softmax(logits: Floats) -> Floats:
    """Returns the rows as probabilities."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


def held_out(labels: Sequence[str], groups: Sequence[str], share: float) -> NDArray[np.bool_]:
    """Returns which texts to keep back: about `share` of each label, whole groups."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(max(2, round(1 / share)), shuffle=True, random_state=0)
    _, kept = next(splitter.split(np.zeros(len(labels)), list(labels), list(groups)))
    mask = np.zeros(len(labels), bool)
    mask[kept] = True
    return mask


def _folds(targets: Indices, groups: Sequence[str]) -> list[tuple[Indices, Indices]]:
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    return list(splitter.split(np.zeros(len(targets)), targets, list(groups)))


def _out_of_fold(
    views: Sequence[Floats], targets: Indices, folds: list[tuple[Indices, Indices]], penalty: float
) -> list[Floats]:
    """Returns the logits of each text's views from a head that was fitted without the text."""
    vectors = np.stack([each[0] for each in views])
    logits: list[Floats] = [vectors] * len(views)
    for train, test in folds:
        weight, bias = _regression(vectors[train], targets[train], penalty)
        for index in test:
            logits[index] = views[index] @ weight.T + bias
    return logits


def _whole(logits: Sequence[Floats]) -> Floats:
    return np.stack([each[0] for each in logits])


def _peak(shares: Floats) -> float:
    return float(shares.max()) if shares.size else 0.0


def _regression(vectors: Floats, targets: Indices, penalty: float) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=penalty, class_weight="balanced", max_iter=2000)
    with threadpool_limits(1):  # the matrices are small: threads only wait for each other
        model.fit(vectors, targets)
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
        zero = np.zeros_like(model.coef_)
        return np.concatenate([zero, model.coef_]), np.concatenate([[0.0], model.intercept_])
    return model.coef_, model.intercept_


def _coolest(logits: Floats, targets: Indices) -> tuple[float, float]:
    """Returns (log-loss, temperature) of the temperature with the lowest log-loss."""
    rows = np.arange(len(targets))
    losses = [
        (float(-np.log(softmax(logits / t)[rows, targets] + 1e-12).mean()), float(t))
        for t in TEMPERATURES
    ]
    return min(losses)
