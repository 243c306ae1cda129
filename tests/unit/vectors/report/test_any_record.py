"""Whatever a calibration found, the page and the card can be made and read."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_vectors.calibrate.record import (
    Calibration,
    ChosenPreset,
    Estimate,
    ExampleAnswer,
    Gate,
    MeasureTold,
    Point,
    Prompted,
)
from steersman_vectors.report.card_page import card_page

from . import samples
from .reading import plots, read
from .test_page import contents

NAMES = ("warm", "degenerate", "facts", "kl", "odd")
VALUES = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1e-9, 0.5, 1.0, -0.02])
ALPHAS = st.floats(-8, 8).map(lambda alpha: round(alpha, 3))


@st.composite
def estimates(draw: Any) -> Estimate:
    low, value, high = sorted(draw(st.tuples(VALUES, VALUES, VALUES)))
    return Estimate(value=value, low=low, high=high, n=draw(st.integers(0, 5000)))


FIGURES = st.dictionaries(st.sampled_from(NAMES), estimates(), max_size=5)
TOLD = st.builds(
    MeasureTold,
    better=st.sampled_from(["higher", "lower", "neither"]),
    unit=st.sampled_from(["share", "", "words", "1 to 5"]),
    low=st.none() | st.just(0.0),
    high=st.none() | st.sampled_from([1.0, 5.0]),
)
GATES = st.builds(
    Gate,
    measure=st.sampled_from(NAMES),
    compared=st.sampled_from(["absolute", "change"]),
    at_most=st.none() | VALUES,
    at_least=st.none() | VALUES,
)
POINTS = st.builds(
    Point,
    layers=st.sampled_from([(2,), (1, 2, 3)]),
    layer_set=st.sampled_from(["single", "own"]),
    alpha=ALPHAS,
    figures=FIGURES,
    changes=FIGURES,
    failed=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
)
PRESETS = st.builds(
    ChosenPreset, alpha=ALPHAS, calibration=POINTS, heldout=POINTS, confirmed=st.booleans()
)
PROMPTED = st.builds(Prompted, system_prompt=st.text(), figures=FIGURES, changes=FIGURES)
ANSWERS = st.builds(ExampleAnswer, prompt=st.sampled_from(["a", "b"]), alpha=ALPHAS, text=st.text())
RECORDS = st.fixed_dictionaries(
    {
        "measures": st.dictionaries(st.sampled_from(NAMES), TOLD, max_size=5),
        "gates": st.lists(GATES, max_size=3).map(tuple),
        "unsteered": FIGURES,
        "curve": st.lists(POINTS, max_size=6).map(tuple),
        "presets": st.dictionaries(st.sampled_from(["low", "strong"]), PRESETS, max_size=2),
        "alpha_max": st.none() | st.floats(0.01, 9),
        "prompted": st.lists(PROMPTED, max_size=2).map(tuple),
        "examples": st.lists(ANSWERS, max_size=3).map(tuple),
        "why_none": st.none() | st.text(max_size=9),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS)
def test_any_record_can_be_shown(fields: dict[str, Any]) -> None:
    record = Calibration(**{**dict(samples.calibration()), **fields})
    tree = read(contents(record))
    for plot in plots(tree):
        _, _, width, height = map(float, plot.get("viewBox", "").split())
        for each in plot.iter():
            for pair in each.get("points", "").split():
                at_x, at_y = map(float, pair.split(","))
                assert -0.1 <= at_x <= width + 0.1
                assert -0.1 <= at_y <= height + 0.1
    assert card_page(contents(record))


KEYS = st.text(max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | VALUES | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
METRICS = ("probe_accuracy", "probe_null_mean", "probe_null_95", "snr", "stability", "interference")
LAYERS = st.dictionaries(
    st.integers(0, 40).map(str) | st.text(max_size=3) | st.just("9" * 5000),
    st.dictionaries(st.sampled_from(METRICS), VALUES | JSON, max_size=6) | JSON,
    max_size=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional={"layers": LAYERS | JSON, "try_first": JSON, "2": JSON}))
def test_any_quality_on_a_card_can_be_shown(quality: dict[str, Any]) -> None:
    presets = {"low": {"alpha": 0.5, "evidence": quality}}
    made = contents(None, samples.vector(quality=quality, presets=presets, recipe=quality))
    assert read(made) is not None
    assert card_page(made)
