from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from steersman_vectors.card import LayerNorms, Preset, VectorCard
from steersman_vectors.errors import CallerError, InternalError, OperatorError, SteersmanError
from steersman_vectors.scale import coefficient
from steersman_vectors.vector import SteeringVector, from_differences

from .samples import differences, vector


@given(st.integers(0, 1000), st.floats(-10, 10))
def test_scale_raw_restores_the_undivided_differences(seed: int, alpha: float) -> None:
    made = vector(seed, scale="raw")
    for layer_idx, difference in differences(seed).items():
        np.testing.assert_allclose(
            made.delta(layer_idx, alpha), alpha * difference, rtol=1e-5, atol=1e-6
        )


def test_each_scale_means_what_the_design_says() -> None:
    norms: dict[str, Any] = {"raw_norm": 5.0, "residual_norm": 20.0}
    assert coefficient("raw", 0.5, **norms) == 2.5
    assert coefficient("unit", 0.5, **norms) == 0.5
    assert coefficient("residual", 0.5, **norms) == 10.0
    with pytest.raises(ValueError, match="needs the layer's norm"):
        coefficient("residual", 1.0, raw_norm=5.0, residual_norm=None)


def test_directions_are_unit_and_cannot_be_written() -> None:
    made = vector()
    for direction in made.directions.values():
        assert np.linalg.norm(direction) == pytest.approx(1.0)
        with pytest.raises(ValueError, match="read-only"):
            direction[0] = 1.0
    with pytest.raises(TypeError):
        made.directions[1] = direction  # type: ignore[index]


@pytest.mark.parametrize(
    ("direction", "got"),
    [
        (np.ones(8, np.float32), "norm 2.8"),
        (np.eye(8, dtype=np.float64)[0], "float64"),
        (np.eye(9, dtype=np.float32)[0], r"\[9\]"),
        (np.full(8, np.nan, np.float32), "NaN or infinity"),
        (np.eye(8, dtype=np.float32)[:1], r"\[1, 8\]"),
    ],
)
def test_directions_that_are_refused(direction: Any, got: str) -> None:
    card = vector(layers=(1,)).card
    with pytest.raises(CallerError, match=got):
        SteeringVector(card, {1: direction})


def test_layers_of_card_and_tensors_must_agree() -> None:
    made = vector()
    with pytest.raises(CallerError, match="the card's layers"):
        SteeringVector(made.card, {1: made.directions[1]})


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_differences_that_have_no_direction_are_refused(value: float) -> None:
    with pytest.raises(CallerError):
        from_differences({0: np.full(4, value)}, name="a", scale="raw")


def test_a_card_must_hold_the_norms_of_its_scale_and_presets_below_its_cap() -> None:
    fields: dict[str, Any] = {"name": "a", "hidden_size": 4, "layers": {0: LayerNorms()}}
    VectorCard(**fields, scale="unit", alpha_max=2.0, presets={"low": Preset(alpha=-2.0)})
    with pytest.raises(ValidationError, match="needs raw_norm at every layer"):
        VectorCard(**fields, scale="raw")
    with pytest.raises(ValidationError, match="exceed alpha_max"):
        VectorCard(**fields, scale="unit", alpha_max=2.0, presets={"low": Preset(alpha=-2.1)})


@pytest.mark.parametrize(
    ("kind", "status"), [(CallerError, 400), (OperatorError, 503), (InternalError, 500)]
)
def test_errors_cross_processes_whole(kind: type[SteersmanError], status: int) -> None:
    error = pickle.loads(pickle.dumps(kind("what", code="some_code", param="p")))
    assert type(error) is kind
    assert (error.message, error.code, error.param) == ("what", "some_code", "p")
    assert (str(error), error.http_status) == ("what", status)


@given(st.sets(st.integers(0, 5), min_size=1), st.sets(st.integers(0, 5)), st.floats(-2, 2))
def test_a_restricted_vector_adds_the_same_at_its_layers_and_nothing_elsewhere(
    layers: set[int], chosen: set[int], alpha: float
) -> None:
    presets = {"low": Preset(alpha=0.5)}
    whole = vector(3, layers=tuple(layers), presets=presets, alpha_max=2.0, quality={"n": 1})
    if not chosen or not chosen <= layers:
        with pytest.raises(CallerError, match="cannot be restricted") as caught:
            whole.restricted(chosen)
        assert caught.value.code == "layers_not_in_vector"
        return
    part = whole.restricted(chosen)
    assert set(part.layers) == set(part.card.layers) == chosen
    for layer_idx in chosen:
        np.testing.assert_array_equal(part.delta(layer_idx, alpha), whole.delta(layer_idx, alpha))
    if chosen == layers:
        assert part is whole
    else:
        assert (part.card.presets, part.card.alpha_max, part.card.quality) == ({}, None, {})
    assert (part.card.name, part.card.scale) == (whole.card.name, whole.card.scale)
