"""Finding 3: under which scale one alpha means the same at every layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from steersman_demo.findings.bench import Bench, Steer
from steersman_demo.findings.states import States
from steersman_demo.findings.statistics import Estimate, crossing, mean, resampled
from steersman_vectors.scale import SCALES, Scale, coefficient

Table = NDArray[np.float64]
"""`[doses, prompts]`, the unsteered first."""
Draw = NDArray[np.int_] | None
KL_TARGET = 0.05
"""Nats a token."""
BY = ("warm", "kl")


@dataclass(frozen=True)
class Curve:
    """What rising doses at one layer do."""

    scale: str
    """`residual`, whose doses stand for `raw` and `unit` too, or `token`."""
    layer: int
    alphas: tuple[float, ...]
    warm: tuple[Estimate, ...]
    kl: tuple[float, ...]


@dataclass(frozen=True)
class Equal:
    """The alpha of one layer that does as much as those of the others."""

    by: str
    """`warm` or `kl`."""
    scale: str
    layer: int
    alpha: float | None
    """None where no dose that was tried does as much."""
    low: float
    high: float
    """NaN where more than one draw in twenty does not."""


@dataclass(frozen=True)
class Spread:
    """How far the layers' alphas are apart under one scale."""

    by: str
    scale: str
    variation: Estimate
    """Standard deviation over mean."""
    ratio: Estimate
    """Largest over smallest."""


@dataclass(frozen=True)
class Portability:
    """What was found."""

    position: str
    prompts: int
    kl_prompts: int
    unsteered: float
    reachable: float
    """Share of warm answers that every layer reaches under both scales."""
    targets: dict[str, float]
    layers: dict[str, tuple[int, ...]]
    """By measure: layers that get there under every scale; the spreads are of these."""
    curves: tuple[Curve, ...]
    equals: tuple[Equal, ...]
    spreads: tuple[Spread, ...]


def measure(
    bench: Bench,
    states: States,
    *,
    position: str,
    doses: dict[Scale, tuple[float, ...]],
    prompts: int,
    kl_prompts: int,
) -> Portability:
    """Steers at each layer alone, by doses of `residual`, which the others share, and `token`."""
    keys: list[tuple[Scale, int]] = list(product(doses, range(states.num_layers)))
    cells = [(scale, layer, alpha) for scale, layer in keys for alpha in doses[scale]]
    vectors = {
        (scale, layer): states.mean_vector([layer], "empathy", scale) for scale, layer in keys
    }
    steers = [Steer(vectors[scale, layer], alpha) for scale, layer, alpha in cells]
    outcomes = dict(zip(cells, bench.outcomes("scales", steers, prompts), strict=True))
    kls = dict(zip(cells, bench.divergences(steers, kl_prompts), strict=True))
    base = bench.unsteered.first(prompts).warm
    tables = {
        "warm": {
            (scale, layer): np.array(
                [base, *(outcomes[scale, layer, alpha].warm for alpha in doses[scale])]
            )
            for scale, layer in keys
        },
        "kl": {
            (scale, layer): np.array([
                np.zeros(kl_prompts), *(kls[scale, layer, a] for a in doses[scale])
            ])
            for scale, layer in keys
        },
    }  # fmt: skip

    def half_way(drawn: Draw = None) -> float:
        unsteered = float(mean_at(tables["warm"]["residual", 0], drawn)[0])
        return (unsteered + reachable(drawn)) / 2

    def reachable(drawn: Draw = None) -> float:
        return min(float(mean_at(table, drawn).max()) for table in tables["warm"].values())

    # Of each draw anew: its unsteered answers are others too.
    targets: dict[str, Callable[[Draw], float]] = {
        "warm": half_way,
        "kl": lambda _drawn: KL_TARGET,
    }
    found = {
        by: _compared(
            by, _Alphas(by, states, tables[by], doses, targets[by]), states.num_layers,
            prompts if by == "warm" else kl_prompts,
        )
        for by in BY
    }  # fmt: skip
    return Portability(
        position=position,
        prompts=prompts,
        kl_prompts=kl_prompts,
        unsteered=float(base.mean()),
        reachable=reachable(),
        targets={by: target(None) for by, target in targets.items()},
        layers={by: each[0] for by, each in found.items()},
        curves=tuple(
            Curve(
                scale, layer, doses[scale],
                tuple(mean(row) for row in tables["warm"][scale, layer][1:]),
                tuple(float(np.nanmean(row)) for row in tables["kl"][scale, layer][1:]),
            )
            for scale, layer in keys
        ),
        equals=tuple(equal for each in found.values() for equal in each[1]),
        spreads=tuple(spread for each in found.values() for spread in each[2]),
    )  # fmt: skip


def _compared(
    by: str, alpha_of: "_Alphas", num_layers: int, n: int
) -> tuple[tuple[int, ...], list[Equal], list[Spread]]:
    """The layers that get to the target under every scale, every alpha that does, its spreads."""
    there = tuple(
        layer for layer in range(num_layers) if all(alpha_of(scale, layer) for scale in SCALES)
    )
    equals = [
        Equal(
            by, scale, layer, alpha_of(scale, layer),
            *resampled(n, partial(alpha_of, scale, layer)),
        )
        for scale, layer in product(SCALES, range(num_layers))
    ]  # fmt: skip
    return there, equals, [_spread(by, scale, alpha_of, there, n) for scale in SCALES]


class _Alphas:
    """Finds the alpha that reaches a target, at any layer, under any scale, on any draw."""

    def __init__(
        self,
        by: str,
        states: States,
        tables: dict[tuple[Scale, int], Table],
        doses: dict[Scale, tuple[float, ...]],
        target: Callable[[Draw], float],
    ) -> None:
        self._by, self._states, self._tables = by, states, tables
        self._doses, self._target = doses, target
        self._units = {
            (scale, layer): unit(scale, states, layer)
            for scale, layer in product(SCALES, range(states.num_layers))
        }

    def __call__(self, scale: Scale, layer: int, drawn: Draw = None) -> float | None:
        asked: Scale = "token" if scale == "token" else "residual"
        table = self._tables[asked, layer]
        values, target = mean_at(table, drawn), self._target(drawn)
        if self._by == "kl":  # grows with the square of a small dose, so its root is straight
            values, target = np.sqrt(values), target**0.5
        alpha = crossing((0.0, *self._doses[asked]), values, target)
        return None if alpha is None else alpha * self._units[scale, layer]


def mean_at(table: Table, drawn: Draw) -> NDArray[np.float64]:
    """`[doses]`: the mean over the drawn prompts; None: over all. NaN is left out."""
    chosen = table if drawn is None else table[:, drawn]
    means: NDArray[np.float64] = np.nanmean(chosen, axis=1)
    return means


def unit(scale: Scale, states: States, layer: int) -> float:
    """What an alpha of 1 under `residual` is under that scale; of `token`, the same."""
    if scale == "token":
        return 1.0
    raw_norm = float(np.linalg.norm(states.difference("mean", layer)))
    residual_norm = states.residual_norms[layer]
    return residual_norm / coefficient(scale, 1.0, raw_norm=raw_norm, residual_norm=residual_norm)


def _spread(by: str, scale: Scale, alpha_of: _Alphas, layers: Sequence[int], n: int) -> Spread:
    """How far the alphas are apart, with the intervals over `n` prompts."""

    def of(figure: Callable[[Table], float], drawn: Draw = None) -> float | None:
        found = [alpha_of(scale, layer, drawn) for layer in layers]
        return figure(np.array(found)) if found and all(found) else None

    def estimate(figure: Callable[[Table], float]) -> Estimate:
        whole = of(figure)
        ends = resampled(n, partial(of, figure))
        return Estimate(float("nan") if whole is None else whole, *ends)

    return Spread(
        by,
        scale,
        estimate(lambda found: float(found.std() / found.mean())),
        estimate(lambda found: float(found.max() / found.min())),
    )
