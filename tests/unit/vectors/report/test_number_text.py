"""Figures as people read them."""

from __future__ import annotations

import pytest

from steersman_vectors.calibrate.record import Estimate, MeasureTold
from steersman_vectors.report import number_text

WORDS = MeasureTold(better="neither", unit="words", low=0.0, high=None)
SHARE = MeasureTold(better="higher", unit="share", low=0.0, high=1.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.5, "−0.5"), (0.0, "0"), (-0.0, "0"), (1.25, "1.25"), (12345.0, "12,345"), (3e-9, "3e−09")],
)
def test_number(value: float, shown: str) -> None:
    assert number_text.number(value) == shown


@pytest.mark.parametrize(
    ("told", "ends", "shown"),
    [
        (WORDS, (38.127, 36.4, 39.9), "38.1 (36.4 to 39.9)"),
        (WORDS, (0.0282, 0.0, 0.0596), "0.028 (0.000 to 0.060)"),
        (WORDS, (1234.5, 1100.0, 1369.0), "1,234 (1,100 to 1,369)"),
        (WORDS, (4.0, 4.0, 4.0), "4.00 (4.00 to 4.00)"),
        (SHARE, (0.5, 0.431, 0.569), "50.0% (43.1% to 56.9%)"),
    ],
)
def test_estimate(told: MeasureTold, ends: tuple[float, float, float], shown: str) -> None:
    value, low, high = ends
    assert number_text.estimate(Estimate(value=value, low=low, high=high, n=9), told) == shown


def test_changes_have_signs() -> None:
    change = Estimate(value=-0.0147, low=-0.0289, high=0.0, n=400)
    assert number_text.change_estimate(change, SHARE) == "−1.5 points (−2.9 to 0.0)"
    assert number_text.change(0.02, SHARE) == "+2 points"
    assert number_text.change(0.0, WORDS) == "0"


def test_layers_are_shortened() -> None:
    assert number_text.layers_named((2,)) == "layer 2"
    assert number_text.layers_named((24, 12, 15)) == "layers 12, 15, 24"
    assert number_text.layers((0, 1, 2, 3, 7, 8)) == "0–3, 7, 8"
