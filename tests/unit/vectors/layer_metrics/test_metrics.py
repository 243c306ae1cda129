"""Each metric equals its formula, on states that nobody chose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.extract.methods.contract import Sides
from steersman_vectors.layer_metrics import between_layers, norms
from steersman_vectors.layer_metrics.consistency import consistency
from steersman_vectors.layer_metrics.explained_variance import COMPONENTS, explained_variance
from steersman_vectors.layer_metrics.interference import MOST, interference
from steersman_vectors.layer_metrics.measures import measure
from steersman_vectors.layer_metrics.normalisation import normalisation_sensitivity
from steersman_vectors.layer_metrics.signal_to_noise import signal_to_noise
from steersman_vectors.layer_metrics.stability import halves, stability
from steersman_vectors.vector import from_differences
from tests.unit.vectors.extract.samples import planted
from tests.unit.vectors.layer_metrics import reference

SIZES = {"pairs": st.integers(3, 14), "hidden": st.integers(2, 9), "seed": st.integers(0, 2**20)}


def differences(pairs: int, hidden: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(pairs, hidden)) * rng.lognormal(size=(pairs, 1)) + rng.normal(
        size=hidden
    )


@settings(max_examples=60, deadline=None)
@given(**SIZES)
def test_metrics_of_differences(pairs: int, hidden: int, seed: int) -> None:
    d = differences(pairs, hidden, seed)
    assert consistency(d) == pytest.approx(reference.consistency(d))
    assert signal_to_noise(d) == pytest.approx(reference.signal_to_noise(d))
    assert normalisation_sensitivity(d) == pytest.approx(reference.normalisation(d))
    found = explained_variance(d)
    assert len(found) == min(COMPONENTS, pairs - 1, hidden)
    assert found == pytest.approx(reference.explained_variance(d, len(found)))


@settings(max_examples=30, deadline=None)
@given(**SIZES, paired=st.booleans(), fewer=st.integers(0, 1))
def test_stability(pairs: int, hidden: int, seed: int, paired: bool, fewer: int) -> None:
    found, _ = planted(pairs, hidden, seed)
    negative = found.negative if paired else found.negative[fewer:]
    sides = Sides(found.positive, negative, paired)
    ours = stability(sides, seed=seed)
    assert ours == pytest.approx(reference.stability(sides, seed))
    assert ours != stability(sides, seed=seed + 2), "other halves"


@given(count=st.integers(2, 40), seed=st.integers(0, 99))
def test_halves_are_halves(count: int, seed: int) -> None:
    chosen = halves(count, 20, seed)
    assert (chosen.sum(axis=1) == count // 2).all()
    assert count < 4 or len({row.tobytes() for row in chosen}) > 1


def test_what_each_metric_is_about() -> None:
    """Corners where the value is known without a formula."""
    same = np.tile([3.0, 4.0], (5, 1))
    assert consistency(same) == pytest.approx(1)
    assert normalisation_sensitivity(same) == pytest.approx(1)
    assert signal_to_noise(same) is None
    assert explained_variance(same) == []
    opposed = np.array([[1.0, 0], [-1.0, 0], [1.0, 0], [-1.0, 0]])
    assert consistency(opposed) == pytest.approx(-1 / 3)
    assert normalisation_sensitivity(opposed) is None
    # Nine short differences point one way, one long one the other.
    mixed = np.array([[1.0, 0.0]] * 9 + [[-20.0, 0.0]])
    assert normalisation_sensitivity(mixed) == pytest.approx(-1)
    with_nothing = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    assert consistency(with_nothing) == pytest.approx(1)
    assert consistency(np.zeros((3, 2))) is None
    assert between_layers.cosine(np.zeros(2), np.ones(2)) is None
    assert between_layers.cosine(np.array([1.0, 0]), np.array([1.0, 1])) == pytest.approx(0.5**0.5)


def test_norms() -> None:
    token_norms = np.array([1.0, 3.0], dtype=np.float32)
    assert norms.residual_norm(token_norms) == 2.0
    assert norms.relative_norm(np.array([3.0, 4.0]), token_norms) == pytest.approx(2.5)


def vector(seed: int, layers: tuple[int, ...] = (0, 1), hidden: int = 6) -> Any:
    rng = np.random.default_rng(seed)
    return from_differences(
        {i: rng.normal(size=hidden) for i in layers}, name=f"v{seed}", scale="unit"
    )


def test_interference_is_the_most_alike_first() -> None:
    others = {f"v{seed}@1": vector(seed) for seed in range(8)}
    d = np.random.default_rng(9).normal(size=6)
    found = interference(d, 1, others)
    slow = {name: reference.cosine(d, v.directions[1]) for name, v in others.items()}
    expected = sorted(slow, key=lambda name: -abs(slow[name]))[:MOST]
    assert list(found) == expected
    assert [found[name] for name in expected] == pytest.approx([slow[n] for n in expected])
    assert interference(d, 5, others) == {}
    assert interference(d[:4], 1, others) == {}
    own = interference(vector(3).directions[1].astype(np.float64) * 7, 1, others)
    assert next(iter(own.items())) == ("v3@1", pytest.approx(1))


def test_all_of_a_layer_as_json() -> None:
    found, behaviour = planted(30, 12, seed=1)
    found = Sides(found.positive, found.negative, True, layer_idx=1)
    d = found.mean_difference
    token_norms = np.linalg.norm(np.concatenate([found.positive, found.negative]), axis=1)
    measured = measure(
        found, d, token_norms.astype(np.float32), before=behaviour,
        others={"v1@1": vector(1, hidden=12)},
    )  # fmt: skip
    card = json.loads(json.dumps(measured.as_json()))
    assert set(card) == {
        "raw_norm", "residual_norm", "relative_norm", "explained_variance", "probe_accuracy",
        "probe_null_mean", "probe_null_95", "probe_p", "consistency", "stability", "snr",
        "normalisation", "adjacent_cosine", "interference",
    }  # fmt: skip
    page = (Path(__file__).parents[4] / "docs/layer-metrics.md").read_text()
    assert all(f"`{name}`" in page for name in card), "docs/layer-metrics.md has each formula"
    assert card["raw_norm"] == pytest.approx(np.linalg.norm(d), rel=1e-3)
    assert card["relative_norm"] == pytest.approx(np.linalg.norm(d) / token_norms.mean(), rel=1e-3)
    assert card["adjacent_cosine"] == pytest.approx(reference.cosine(behaviour, d), rel=1e-3)
    assert len(str(card["consistency"])) <= 7


def test_sets_have_what_needs_no_pairs() -> None:
    found, _ = planted(20, 6, seed=2)
    sets = Sides(found.positive, found.negative[:15], paired=False)
    measured = measure(
        sets, sets.mean_difference, np.ones(35, np.float32), before=None, others={}
    ).as_json()
    assert {"raw_norm", "probe_accuracy", "stability"} <= set(measured)
    assert not {"consistency", "snr", "normalisation", "explained_variance"} & set(measured)
