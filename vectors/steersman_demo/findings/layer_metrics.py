"""Finding 4: a layer's probe accuracy says little about how well it steers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from steersman_demo.findings.bench import Bench, Steer
from steersman_demo.findings.states import Shape, States
from steersman_demo.findings.statistics import Estimate, grouped_spearman, mean
from steersman_vectors.layer_metrics.measures import LayerMeasures

METRICS = ("probe", "consistency", "stability", "snr", "relative norm", "PC1 variance")


@dataclass(frozen=True)
class Layer:
    """What the pairs say of one layer, and what steering there does."""

    behaviour: str
    position: str
    layer: int
    metrics: dict[str, float]
    effect: Estimate
    """Change of the share of answers that show the behaviour, prompt by prompt."""
    degenerate: float


@dataclass(frozen=True)
class Correlation:
    """How a metric's ranks go with the effect's, within each behaviour and position."""

    metric: str
    spearman: float
    p: float
    by_group: tuple[float, ...]


@dataclass(frozen=True)
class LayerMetrics:
    """What was found."""

    alphas: dict[str, float]
    """By position: added norm over the mean norm of the residual stream where pairs were read."""
    prompts: int
    pairs: int
    groups: tuple[str, ...]
    layers: tuple[Layer, ...]
    correlations: tuple[Correlation, ...]

    @property
    def by_group(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers of each group, in the groups' order."""
        n = len(self.layers) // len(self.groups)
        return tuple(self.layers[first : first + n] for first in range(0, len(self.layers), n))


def measure(
    bench: Bench, states: dict[Shape, States], *, alphas: dict[str, float], prompts: int
) -> LayerMetrics:
    """Steers at every layer with every vector, at one relative norm for each position."""
    num_layers = next(iter(states.values())).num_layers
    cells = list(product(states, range(num_layers)))
    steers = [
        Steer(states[shape].mean_vector([layer], shape[0]), alphas[shape[1]])
        for shape, layer in cells
    ]
    outcomes = bench.outcomes("every layer", steers, prompts)
    base = bench.unsteered.first(prompts)
    layers = []
    for (shape, layer), outcome in zip(cells, outcomes, strict=True):
        behaviour, position = shape
        change = outcome.behaviour(behaviour) - base.behaviour(behaviour)
        layers.append(
            Layer(
                behaviour, position, layer, values_of(states[shape].measures(layer)),
                mean(change), float(outcome.degenerate.mean()),
            )
        )  # fmt: skip
    groups = [layers[k * num_layers : (k + 1) * num_layers] for k in range(len(states))]
    return LayerMetrics(
        alphas=alphas,
        prompts=prompts,
        pairs=len(next(iter(states.values())).positive),
        groups=tuple(f"{behaviour}, {position}" for behaviour, position in states),
        layers=tuple(layers),
        correlations=tuple(correlation(metric, groups) for metric in METRICS),
    )


def values_of(measures: LayerMeasures) -> dict[str, float]:
    """The metrics by name; NaN for what the pairs do not allow."""
    found = {
        "probe": None if measures.probe is None else measures.probe.accuracy,
        "consistency": measures.consistency,
        "stability": measures.stability,
        "snr": measures.signal_to_noise,
        "relative norm": measures.relative_norm,
        "PC1 variance": measures.explained_variance[0],
    }
    return {name: float("nan") if value is None else value for name, value in found.items()}


def correlation(metric: str, groups: Sequence[Sequence[Layer]]) -> Correlation:
    """Spearman's correlation of metric and effect within the groups, and its permutation p."""
    a = [np.array([layer.metrics[metric] for layer in group]) for group in groups]
    b = [np.array([layer.effect.value for layer in group]) for group in groups]
    whole, p = grouped_spearman(a, b)
    alone = [grouped_spearman([x], [y])[0] for x, y in zip(a, b, strict=True)]
    return Correlation(metric, whole, p, tuple(alone))
