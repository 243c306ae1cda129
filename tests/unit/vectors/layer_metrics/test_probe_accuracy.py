"""The probe of many labellings at once is scikit-learn's, one at a time; chance is chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from steersman_vectors.extract.methods.contract import Sides
from steersman_vectors.layer_metrics import logistic, probe_accuracy
from tests.unit.vectors.extract.samples import planted
from tests.unit.vectors.layer_metrics import reference


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(4, 30), hidden=st.integers(1, 30), columns=st.integers(1, 4),
    penalty=st.sampled_from([0.5, 3.0, 30.0]), spread=st.sampled_from([0.0, 2.0]),
    seed=st.integers(0, 2**20),
)  # fmt: skip
def test_fits_are_those_of_scikit_learn(
    n: int, hidden: int, columns: int, penalty: float, spread: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, hidden)) * np.exp(spread * rng.normal(size=hidden))
    x[:, 0] += 3.0 * (np.arange(n) % 2)  # something to find
    unseen = rng.normal(size=(5, hidden))
    labels = rng.random((n, columns)) < 0.5
    labels[:, 0] = np.arange(n) % 2
    labels[0], labels[1] = True, False
    axes = logistic.on_axes(x, unseen)
    w, b = logistic.fit(axes, labels, penalty)
    std = x.std(axis=0)
    z, other = (x - x.mean(axis=0)) / std, (unseen - x.mean(axis=0)) / std
    for k in range(columns):
        theirs = LogisticRegression(C=1 / penalty, max_iter=10_000, tol=1e-10).fit(z, labels[:, k])
        for ours, rows in ((axes.train, z), (axes.test, other)):
            logits = theirs.decision_function(rows)
            assert np.allclose(
                ours @ w[:, k] + b[k], logits, atol=0.02 * (1 + np.abs(logits).max())
            )


def test_dimensions_that_never_move_are_left_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 4))
    x[:, 2] = 5.0
    axes = logistic.on_axes(x, x)
    assert axes.train.shape == (10, 3)
    assert np.allclose(axes.train, axes.test, atol=1e-8)
    assert np.allclose(axes.train.T @ axes.train, np.diag(axes.squares), atol=1e-6)


@settings(max_examples=12, deadline=None)
@given(
    pairs=st.integers(5, 20), hidden=st.integers(2, 25), paired=st.booleans(),
    seed=st.integers(0, 2**20),
)  # fmt: skip
def test_accuracy_and_null_are_those_of_a_loop(
    pairs: int, hidden: int, paired: bool, seed: int
) -> None:
    found, _ = planted(pairs, hidden, seed, noise=8.0)
    sides = Sides(found.positive, found.negative, paired)
    x = np.concatenate([sides.positive, sides.negative])
    rng = np.random.default_rng(seed)
    fold = probe_accuracy.fold_of_each(sides, 5, rng)
    labels = probe_accuracy.labellings(sides, 4, rng)
    ours = probe_accuracy.cross_validated(sides, fold, labels)
    wrong = 0
    for k in range(labels.shape[1]):
        seen = [set(labels[fold != f, k]) for f in range(5)]
        if all(len(both) == 2 for both in seen):  # else scikit-learn refuses to fit
            wrong += int((ours[:, k] != reference.told_right(x, fold, labels[:, k])).sum())
    assert wrong <= 1, "an example may lie on the boundary itself"


def test_pairs_stay_together_and_labellings_swap_within_them() -> None:
    found, _ = planted(23, 4, seed=0)
    rng = np.random.default_rng(1)
    fold = probe_accuracy.fold_of_each(found, 5, rng)
    assert np.array_equal(fold[:23], fold[23:])
    assert np.bincount(fold).min() >= 2 * (23 // 5)
    labels = probe_accuracy.labellings(found, 50, rng)
    assert (labels[:23] != labels[23:]).all()
    assert labels[:23, 0].all()
    sets = Sides(found.positive, found.negative[:9], paired=False)
    drawn = probe_accuracy.labellings(sets, 50, rng)
    assert (drawn.sum(axis=0) == 23).all()


def test_a_behaviour_is_told_from_chance() -> None:
    found, _ = planted(60, 20, seed=2)
    measured = probe_accuracy.probe_accuracy(found)
    assert measured is not None
    assert measured.accuracy > 0.85
    assert measured.p_value == pytest.approx(1 / 101)
    assert 0.4 < measured.null_mean < 0.6
    assert measured.null_mean < measured.null_95 < measured.accuracy


def test_nothing_is_within_chance() -> None:
    """Of 40 contrasts without a behaviour about 2 pass at 5%; the mean accuracy is a half."""
    rng = np.random.default_rng(3)
    found = []
    for seed in range(40):
        topic = rng.normal(size=(30, 10)) * 5
        sides = Sides(topic + rng.normal(size=(30, 10)), topic + rng.normal(size=(30, 10)), True)
        found.append(probe_accuracy.probe_accuracy(sides, seed=seed))
    p = np.array([m.p_value for m in found if m is not None])
    assert len(p) == 40
    assert (p <= 0.05).sum() <= 6
    assert np.mean([m.accuracy for m in found if m is not None]) == pytest.approx(0.5, abs=0.05)


def test_sets_of_unlike_size_are_judged_by_both_recalls() -> None:
    right = np.array([[True], [True], [True], [False]])
    labels = np.array([[True], [True], [True], [False]])
    assert probe_accuracy.balanced(right, labels) == pytest.approx([0.5])


def test_too_few_to_leave_any_out() -> None:
    one = np.ones((1, 3))
    assert probe_accuracy.probe_accuracy(Sides(one, one * 2, True)) is None
