"""Finding 1: of few pairs the mean difference is better than PCA."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from steersman_demo.findings.bench import Bench, Steer
from steersman_demo.findings.states import Shape, States
from steersman_demo.findings.statistics import Estimate, Values, mean
from steersman_vectors.extract.methods.contract import METHODS, MethodName
from steersman_vectors.extract.methods.principal import principal_components
from steersman_vectors.extract.reading import Position
from steersman_vectors.layer_metrics.between_layers import cosine
from steersman_vectors.vector import SteeringVector

SIZES = (2, 4, 8, 16, 32, 64, 128)
RESAMPLES = 30
STEERED_SIZES = (2, 4, 8, 32, 128)
STEERED_RESAMPLES = 5
VARIANCE = 0.8


@dataclass(frozen=True)
class Agreement:
    """How near the vectors of so many pairs come to others; means over resamples."""

    position: str
    method: str
    pairs: int
    reference: Estimate
    """Cosine with the mean difference of pairs that no resample has."""
    own: Estimate
    """Cosine with the method's own vector of these other pairs, whatever its sign."""
    same_pairs: Estimate
    """Cosine with the mean difference of the same pairs."""


@dataclass(frozen=True)
class Effect:
    """What vectors of so many pairs do at one added norm; means over resamples."""

    method: str
    pairs: int
    warm: Estimate
    facts: Estimate
    degenerate: Estimate


@dataclass(frozen=True)
class FewPairs:
    """What was found."""

    layer: int
    position: str
    alpha: float
    """Added norm over the mean norm of the residual stream."""
    unsteered: float
    prompts: int
    resamples: int
    steered_resamples: int
    pool: int
    components: dict[str, int]
    """By position: how many components hold `VARIANCE` of the differences' variance."""
    agreements: tuple[Agreement, ...]
    effects: tuple[Effect, ...]
    apart: dict[str, Estimate]
    """By pairs: warm answers under the mean's vector minus those under PCA's, same resamples."""


def halves(states: States) -> tuple[range, range]:
    """Pairs that resamples are drawn from, and pairs that they are compared with."""
    middle = len(states.positive) // 2
    return range(middle), range(middle, 2 * middle)


def resample(pool: range, size: int, index: int) -> list[int]:
    """`size` pairs without repetition, the same for every method."""
    rng = np.random.default_rng([size, index])
    return sorted(int(k) for k in rng.choice(len(pool), size, replace=False))


def agreements(position: str, states: States, layer: int) -> Iterator[Agreement]:
    """Yields the cosines of every method and size."""
    pool, rest = halves(states)
    full = {method: states.difference(method, layer, list(rest)) for method in METHODS}
    for method, size in product(METHODS, SIZES):
        rows = []
        for index in range(RESAMPLES):
            chosen = resample(pool, size, index)
            found = states.difference(method, layer, chosen)
            other = states.difference("mean", layer, chosen)
            rows.append([cosine(found, full["mean"]), cosine(found, full[method]),
                         cosine(found, other)])  # fmt: skip
        table = np.array(rows, float)
        yield Agreement(
            position, method, size, mean(table[:, 0]), mean(np.abs(table[:, 1])), mean(table[:, 2])
        )


def components(states: States, layer: int) -> int:
    """How many principal components hold `VARIANCE` of what the differences vary by."""
    sides = states.sides(layer)
    found = principal_components(sides.positive - sides.negative, len(states.positive))
    return int(np.searchsorted(np.cumsum(found.explained), VARIANCE)) + 1


def effects(
    bench: Bench, states: States, layer: int, alpha: float, prompts: int
) -> tuple[tuple[Effect, ...], dict[str, Estimate]]:
    """What vectors of few pairs do, and by how much the mean's and PCA's differ."""
    pool, _ = halves(states)
    keys = list(product(METHODS, STEERED_SIZES, range(STEERED_RESAMPLES)))
    steers = [
        Steer(_vector(states, method, layer, resample(pool, size, index)), alpha)
        for method, size, index in keys
    ]
    outcomes = bench.outcomes("few pairs", steers, prompts)
    by_key = dict(zip(keys, outcomes, strict=True))

    def over(method: MethodName, size: int, field: str) -> Values:
        return np.array([
            np.nanmean(getattr(by_key[method, size, index], field))
            for index in range(STEERED_RESAMPLES)
        ])  # fmt: skip

    found = tuple(
        Effect(
            method, size, *(mean(over(method, size, f)) for f in ("warm", "facts", "degenerate"))
        )
        for method, size in product(METHODS, STEERED_SIZES)
    )
    apart = {
        str(size): mean(over("mean", size, "warm") - over("pca", size, "warm"))
        for size in STEERED_SIZES
    }
    return found, apart


def _vector(states: States, method: MethodName, layer: int, chosen: list[int]) -> SteeringVector:
    return states.vector({layer: states.difference(method, layer, chosen)}, "empathy")


def measure(
    bench: Bench,
    states: dict[Shape, States],
    *,
    position: Position,
    layer: int,
    alpha: float,
    prompts: int,
) -> FewPairs:
    """Compares vectors of few pairs at every position, and steers with those of one."""
    own = {place: found for (behaviour, place), found in states.items() if behaviour == "empathy"}
    found, apart = effects(bench, own[position], layer, alpha, prompts)
    return FewPairs(
        layer=layer,
        position=position,
        alpha=alpha,
        unsteered=float(bench.unsteered.first(prompts).warm.mean()),
        prompts=prompts,
        resamples=RESAMPLES,
        steered_resamples=STEERED_RESAMPLES,
        pool=len(halves(own[position])[0]),
        components={place: components(each, layer) for place, each in own.items()},
        agreements=tuple(
            row for place, each in own.items() for row in agreements(place, each, layer)
        ),
        effects=found,
        apart=apart,
    )
