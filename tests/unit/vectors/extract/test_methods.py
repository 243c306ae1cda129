"""Methods: against two published packages, scikit-learn, and a behaviour that was planted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steersman_vectors.errors import CallerError
from steersman_vectors.extract.methods import principal
from steersman_vectors.extract.methods.contract import METHODS, MethodName, Options, Sides, along
from steersman_vectors.extract.methods.load import method_named
from steersman_vectors.extract.methods.probe import C_TIMES_HIDDEN, FOLDS
from tests.unit.vectors.extract.golden_directions import CASES, GOLDEN, sides, symmetric
from tests.unit.vectors.extract.samples import planted

PUBLISHED = json.loads(GOLDEN.read_text())["cases"]


def direction(name: MethodName, found: Sides, options: Options | None = None) -> np.ndarray:
    return method_named(name)(found, options or Options())


def unit(vector: np.ndarray) -> np.ndarray:
    wide = np.asarray(vector, dtype=np.float64)
    return wide / np.linalg.norm(wide)  # type: ignore[no-any-return]


def both(case: str) -> Sides:
    positive, negative = sides(*CASES[case])
    return Sides(positive.astype(np.float64), negative.astype(np.float64), paired=True)


@pytest.mark.parametrize("case", CASES)
def test_mean_is_that_of_steering_vectors(case: str) -> None:
    theirs = np.array(PUBLISHED[case]["steering_vectors_mean"])
    assert np.allclose(direction("mean", both(case)), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_pca_is_that_of_repeng(case: str) -> None:
    ours = unit(direction("pca", both(case)))
    assert ours @ unit(np.array(PUBLISHED[case]["repeng_pca"])) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_probe_is_that_of_steering_vectors_where_both_minimise_the_same(case: str) -> None:
    positive, negative = symmetric(*sides(*CASES[case]))
    ours = unit(direction("probe", Sides(positive, negative, paired=True)))
    theirs = unit(np.array(PUBLISHED[case]["steering_vectors_probe"]))
    assert ours @ theirs == pytest.approx(1.0, abs=1e-5)


SIZES = {"pairs": st.integers(3, 30), "hidden": st.integers(2, 30), "seed": st.integers(0, 2**20)}


@settings(max_examples=30, deadline=None)
@given(**SIZES)
def test_pca_is_scikit_learns_with_the_sign_of_the_means(
    pairs: int, hidden: int, seed: int
) -> None:
    found, _ = planted(pairs, hidden, seed)
    theirs = PCA(n_components=1, svd_solver="full").fit(found.positive - found.negative)
    ours = direction("pca", found)
    mean = found.positive.mean(axis=0) - found.negative.mean(axis=0)
    assert abs(unit(ours) @ theirs.components_[0]) == pytest.approx(1.0, abs=1e-6)
    assert unit(ours) @ mean == pytest.approx(np.linalg.norm(ours))


@settings(max_examples=15, deadline=None)
@given(**SIZES, c=st.sampled_from([None, 0.003, 0.3]))
def test_probe_is_the_gradient_of_scikit_learns_logit(
    pairs: int, hidden: int, seed: int, c: float | None
) -> None:
    """The direction is taken from the pipeline by moving a state, not from its coefficients."""
    found, _ = planted(pairs, hidden, seed)
    x = np.concatenate([found.positive, found.negative])
    y = np.repeat([1, 0], pairs)
    classifier = LogisticRegression(C=c or 1 / hidden, max_iter=5000, tol=1e-8)
    pipeline = make_pipeline(StandardScaler(), classifier).fit(x, y)
    at = pipeline.decision_function(np.concatenate([np.zeros((1, hidden)), np.eye(hidden)]))
    gradient = unit(at[1:] - at[0])
    ours = direction("probe", found, Options(probe_c=c))
    assert unit(ours) @ gradient == pytest.approx(1.0, abs=1e-4)
    mean = found.positive.mean(axis=0) - found.negative.mean(axis=0)
    assert np.linalg.norm(ours) == pytest.approx(unit(ours) @ mean)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("pairs", "hidden"), [(200, 16), (60, 100)])
def test_a_planted_behaviour_is_found(method: MethodName, pairs: int, hidden: int) -> None:
    found, behaviour = planted(pairs, hidden, seed=5, noise=0.4)
    difference = direction(method, found)
    assert unit(difference) @ behaviour > 0.9
    assert np.linalg.norm(difference) == pytest.approx(5, abs=1), "the mean strength"


@pytest.mark.parametrize("method", ["mean", "probe"])
def test_sets_that_are_not_paired(method: MethodName) -> None:
    found, behaviour = planted(200, 16, seed=6)
    sets = Sides(found.positive[:150], found.negative[::-1], paired=False)
    assert unit(direction(method, sets)) @ behaviour > 0.9


def test_pca_refuses_sets() -> None:
    found, _ = planted(9, 4, seed=0)
    with pytest.raises(CallerError, match="--method mean or probe") as refused:
        direction("pca", Sides(found.positive, found.negative, paired=False))
    assert refused.value.code == "pairs_needed"


@pytest.mark.parametrize("method", METHODS)
def test_no_difference_is_no_vector(method: MethodName) -> None:
    same = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(CallerError, match="layer 7") as refused:
        direction(method, Sides(same, same.copy(), True, layer_idx=7))
    assert refused.value.code == "no_contrast"


def test_probe_chooses_c_by_held_out_pairs() -> None:
    """The same choice as a loop over folds that leaves whole pairs out."""
    found, _ = planted(25, 8, seed=3, noise=6.0)
    x = np.concatenate([found.positive, found.negative])
    y, groups = np.repeat([1, 0], 25), np.tile(np.arange(25), 2)
    z = StandardScaler().fit_transform(x)
    from sklearn.model_selection import StratifiedGroupKFold

    losses = {}
    for factor in C_TIMES_HIDDEN:
        loss = []
        for train, test in StratifiedGroupKFold(FOLDS).split(z, y, groups):
            fitted = LogisticRegression(C=factor / 8, max_iter=5000).fit(z[train], y[train])
            chance = fitted.predict_proba(z[test])[np.arange(len(test)), y[test]]
            loss.append(-np.log(chance).mean())
        losses[factor] = np.mean(loss)
    best = min(losses, key=lambda factor: losses[factor])
    chosen = direction("probe", found, Options(probe_cv=True))
    assert np.allclose(chosen, direction("probe", found, Options(probe_c=best / 8)))


def test_along_has_the_sign_and_length_of_the_means() -> None:
    found = Sides(np.array([[2.0, 1.0]]), np.array([[-1.0, 1.0]]), True)
    assert np.allclose(along(np.array([-5.0, 0.0]), found), [3.0, 0.0])


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(2, 20), columns=st.integers(1, 20), seed=st.integers(0, 2**20))
def test_principal_components_are_those_of_an_svd(rows: int, columns: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(rows, columns))
    centred = x - x.mean(axis=0)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    found = principal.principal_components(x, 5)
    k = len(found.explained)
    assert k == min(5, rows - 1, columns)
    assert np.allclose(found.explained, singular[:k] ** 2 / (singular**2).sum())
    assert np.allclose(found.directions @ found.directions.T, np.eye(k), atol=1e-6)
    gaps = -np.diff(singular[: k + 1] ** 2) / (singular**2).sum()
    for i in range(k):
        clear = min(gaps[max(i - 1, 0) : i + 1], default=1.0) > 1e-3
        assert not clear or abs(found.directions[i] @ right[i]) == pytest.approx(1, abs=1e-5)


def test_large_ones_by_a_randomised_svd(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = planted(80, 60, seed=1)
    differences = found.positive - found.negative
    exact = principal.principal_components(differences, 3)
    monkeypatch.setattr(principal, "EXACT_UP_TO", 10)
    once, again = (principal.principal_components(differences, 3, seed=4) for _ in range(2))
    assert np.array_equal(once.directions, again.directions)
    assert np.allclose(once.explained, exact.explained, rtol=1e-3)
    assert abs(once.directions[0] @ exact.directions[0]) == pytest.approx(1, abs=1e-6)


def test_no_variance_no_components() -> None:
    assert len(principal.principal_components(np.ones((5, 3)), 2).explained) == 0
    assert len(principal.principal_components(np.ones((1, 3)), 2).explained) == 0
