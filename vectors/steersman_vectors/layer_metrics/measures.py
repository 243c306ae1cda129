"""All metrics of one layer together, and as JSON for the card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from ..extract.methods.contract import Sides
from ..vector import SteeringVector
from .between_layers import cosine
from .consistency import consistency
from .explained_variance import explained_variance
from .interference import interference
from .normalisation import normalisation_sensitivity
from .norms import relative_norm, residual_norm
from .probe_accuracy import ProbeAccuracy, probe_accuracy
from .signal_to_noise import signal_to_noise
from .stability import stability

DIGITS = 4


@dataclass(frozen=True, slots=True)
class LayerMeasures:
    """What was measured at one layer; None for what the examples do not allow."""

    layer_idx: int
    raw_norm: float
    residual_norm: float
    relative_norm: float
    probe: ProbeAccuracy | None
    stability: float | None
    adjacent: float | None
    """cos with the direction of the layer read before; None at the first."""
    explained_variance: list[float] = field(default_factory=list)
    """PC1 ... PC10 of the pairs' differences; empty without pairs."""
    consistency: float | None = None
    signal_to_noise: float | None = None
    normalisation: float | None = None
    interference: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, JsonValue]:
        """Returns it for a card, rounded; what was not measured is left out."""
        probe = self.probe
        values: dict[str, JsonValue] = {
            "raw_norm": _rounded(self.raw_norm),
            "residual_norm": _rounded(self.residual_norm),
            "relative_norm": _rounded(self.relative_norm),
            "explained_variance": [_rounded(share) for share in self.explained_variance] or None,
            "probe_accuracy": None if probe is None else _rounded(probe.accuracy),
            "probe_null_mean": None if probe is None else _rounded(probe.null_mean),
            "probe_null_95": None if probe is None else _rounded(probe.null_95),
            "probe_p": None if probe is None else _rounded(probe.p_value),
            "consistency": _rounded(self.consistency),
            "stability": _rounded(self.stability),
            "snr": _rounded(self.signal_to_noise),
            "normalisation": _rounded(self.normalisation),
            "adjacent_cosine": _rounded(self.adjacent),
            "interference": {name: _rounded(v) for name, v in self.interference.items()} or None,
        }
        return {name: value for name, value in values.items() if value is not None}


def measure(
    sides: Sides,
    difference: NDArray[np.float64],
    norms: NDArray[np.float32],
    *,
    before: NDArray[np.float64] | None,
    others: Mapping[str, SteeringVector],
    seed: int = 0,
) -> LayerMeasures:
    """Returns the metrics of one layer.

    difference: the method's, `[hidden]`. norms: of the residual stream, `[examples]`. before: the
    difference of the layer read before. others: registered vectors of the same base model, by name.
    """
    pairs = sides.positive - sides.negative if sides.paired else None
    return LayerMeasures(
        layer_idx=sides.layer_idx,
        raw_norm=float(np.linalg.norm(difference)),
        residual_norm=residual_norm(norms),
        relative_norm=relative_norm(difference, norms),
        probe=probe_accuracy(sides, seed=seed),
        stability=stability(sides, seed=seed),
        adjacent=None if before is None else cosine(before, difference),
        explained_variance=[] if pairs is None else explained_variance(pairs, seed=seed),
        consistency=None if pairs is None else consistency(pairs),
        signal_to_noise=None if pairs is None else signal_to_noise(pairs),
        normalisation=None if pairs is None else normalisation_sensitivity(pairs),
        interference=interference(difference, sides.layer_idx, others),
    )


def _rounded(value: float | None) -> float | None:
    """Returns the value at a few significant digits, as text would show it."""
    return None if value is None else float(f"{value:.{DIGITS}g}")
