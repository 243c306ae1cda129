"""Calibration records that the tests are made of."""

from __future__ import annotations

from typing import Any

from steersman_vectors.calibrate.record import (
    Calibration,
    ChosenPreset,
    Estimate,
    MeasureTold,
    Point,
)
from steersman_vectors.schedule import CONSTANT

from .samples import FP_A


def estimate(value: float, half: float = 0.05) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=40)


def calibration(
    *, alphas: dict[str, float] | None = None, fingerprint: str = FP_A, confirmed: bool = True,
    **presets: dict[str, Estimate],
) -> Calibration:  # fmt: skip
    """Returns a record with these held-out figures of each preset; alpha is 1 unless said."""

    def chosen(name: str, figures: dict[str, Estimate]) -> ChosenPreset:
        alpha = (alphas or {}).get(name, 1.0)
        point = Point(
            layers=(1,), layer_set="single", alpha=alpha, figures=figures, changes={}, failed=()
        )
        return ChosenPreset(alpha=alpha, calibration=point, heldout=point, confirmed=confirmed)

    better: Any = {"warmth": "higher", "loops": "lower", "length": "neither"}
    return Calibration(
        vector="made", vector_digest="", fingerprint=fingerprint, behaviour="warmth",
        measures={
            name: MeasureTold(better=way, unit="", low=None, high=None)
            for name, way in better.items()
        },
        gates=(), scope="assistant", schedule=CONSTANT, temperature=0, seed=0, prompts={},
        unsteered={}, curve=(), presets={name: chosen(name, f) for name, f in presets.items()},
        alpha_max=None, prompted=(), examples=(), seconds=1, machine="",
    )  # fmt: skip
