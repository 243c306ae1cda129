"""Which layer a sweep should try first: a guess from the pairs, before anything was steered.

Of the layers from a quarter to three quarters of the depth (edges do little in practice), those
whose probe accuracy is within one standard error of the best there and above 95 of 100 random
labellings; of these the most stable; of equals, the earliest. Depth is layer_idx / layers. Where no
layer passes, or none was measured: the layer read that is nearest to 2/3 of the depth.

Only a sweep tells: accuracy is a weak hint, and the norm, which grows with depth, is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from .measures import LayerMeasures
from .probe_accuracy import ProbeAccuracy

EDGES = (0.25, 0.75)
STABLE_DIGITS = 2
"""Stabilities that agree to so many digits are equals."""


def try_first(layers: Sequence[int], measures: Sequence[LayerMeasures], num_layers: int) -> int:
    """Returns the layer_idx to begin with, out of `layers`."""
    first, last = (edge * num_layers for edge in EDGES)
    middle = [(m, m.probe) for m in measures if first <= m.layer_idx <= last]
    real = [(m, p) for m, p in middle if p is not None and _is_real(p)]
    if not real:
        return min(layers, key=lambda i: (abs(3 * i - 2 * num_layers), i))
    best = max((p for _, p in real), key=lambda p: p.accuracy)
    good = [m for m, p in real if p.accuracy >= best.accuracy - best.standard_error]
    return min(
        good, key=lambda m: (-round(m.stability or 0.0, STABLE_DIGITS), m.layer_idx)
    ).layer_idx


def _is_real(probe: ProbeAccuracy) -> bool:
    return probe.accuracy > probe.null_95
