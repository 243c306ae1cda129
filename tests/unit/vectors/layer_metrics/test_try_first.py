"""The layer to begin with: accurate and stable, in the middle, early."""

from __future__ import annotations

from steersman_vectors.layer_metrics.measures import LayerMeasures
from steersman_vectors.layer_metrics.probe_accuracy import ProbeAccuracy
from steersman_vectors.layer_metrics.try_first import try_first


def layer(
    layer_idx: int, accuracy: float, stability: float = 0.9, null: float = 0.6
) -> LayerMeasures:
    probe = ProbeAccuracy(accuracy, 0.02, 0.5, null, 0.01)
    return LayerMeasures(layer_idx, 1.0, 1.0, 1.0, probe, stability, None)


def test_earliest_of_those_within_a_standard_error() -> None:
    measures = [layer(i, a) for i, a in enumerate([0.99, 0.7, 0.91, 0.935, 0.94, 0.94, 0.9, 0.99])]
    assert try_first(range(8), measures, 8) == 3, (
        "0.91 is worse by more than an error; 0 and 7 are edges"
    )


def test_more_stable_wins_among_the_accurate() -> None:
    measures = [
        layer(2, 0.94, 0.7),
        layer(3, 0.94, 0.95),
        layer(4, 0.93, 0.951),
        layer(5, 0.8, 1.0),
    ]
    assert try_first((2, 3, 4, 5), measures, 8) == 3


def test_without_a_layer_above_chance_it_is_the_depth() -> None:
    assert try_first((0, 5, 9), [layer(5, 0.55)], 12) == 9
    assert try_first(range(12), [], 12) == 8
    assert try_first((1,), [layer(1, 0.99)], 30) == 1
