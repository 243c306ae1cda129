"""Finding 2: late dense layer sets collapse before sparse ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from steersman_demo.findings.bench import Bench, Outcome, Steer
from steersman_demo.findings.states import States
from steersman_demo.findings.statistics import Estimate, crossing, mean, resampled, share
from steersman_vectors.layer_sets import choose_layers

Table = NDArray[np.float64]
"""`[doses, prompts]`, the unsteered first."""
RULES = ("2", "single", "sparse:2", "0,2,4", "dense:0-2", "dense:4-5", "dense:3-5", "all")
COMPARED = (("dense:4-5", "sparse:2"), ("dense:3-5", "0,2,4"))
"""Late dense sets, and spread ones of as many layers."""
COLLAPSED = 0.05
"""Share of degenerate answers."""
WANTED = 0.8
"""Of the way from the unsteered share of warm answers to all of them."""


@dataclass(frozen=True)
class Setting:
    """One layer set at one dose."""

    rule: str
    layers: tuple[int, ...]
    alpha: float
    """Added norm over the mean norm of the residual stream, at each layer."""
    total: float
    """Sum of alpha over the layers."""
    warm: Estimate
    facts: Estimate
    degenerate: Estimate
    detected: Estimate
    kl: Estimate


@dataclass(frozen=True)
class Point:
    """A total dose, found between those that were tried; None where it lies beyond them."""

    total: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SetFigures:
    """What one layer set can do."""

    rule: str
    layers: tuple[int, ...]
    collapse: Point
    """Where more than `COLLAPSED` of the answers are degenerate."""
    wanted: Point
    """Where `WANTED` of the behaviour is reached."""
    degenerate: float | None
    """At the dose of `wanted`, as are the next two."""
    facts: float | None
    kl: float | None
    most_warm: float
    """Under any dose."""


@dataclass(frozen=True)
class Comparison:
    """Two sets of as many layers: how much more of a dose the second bears."""

    dense: str
    sparse: str
    difference: Estimate
    """Total dose at which the second collapses minus that of the first, on the same prompts; one
    that never does counts as the largest dose that was tried."""


@dataclass(frozen=True)
class LayerSets:
    """What was found."""

    position: str
    prompts: int
    kl_prompts: int
    unsteered: dict[str, Estimate]
    target: float
    """The share of warm answers that `wanted` stands for."""
    settings: tuple[Setting, ...]
    sets: tuple[SetFigures, ...]
    comparisons: tuple[Comparison, ...]


def measure(
    bench: Bench,
    states: States,
    *,
    position: str,
    totals: tuple[float, ...],
    prompts: int,
    kl_prompts: int,
) -> LayerSets:
    """Asks every layer set at the same total doses."""
    chosen = {rule: choose_layers(rule, states.num_layers) for rule in RULES}
    cells = list(product(RULES, totals))
    steers = [
        Steer(states.mean_vector(chosen[rule], "empathy"), total / len(chosen[rule]))
        for rule, total in cells
    ]
    outcomes = dict(zip(cells, bench.outcomes("layer sets", steers, prompts), strict=True))
    kls = dict(zip(cells, bench.divergences(steers, kl_prompts), strict=True))
    base = bench.unsteered.first(prompts)
    target = float(base.warm.mean() + WANTED * (1 - base.warm.mean()))
    settings = tuple(
        Setting(
            rule, chosen[rule], total / len(chosen[rule]), total,
            share(outcomes[rule, total].warm), share(outcomes[rule, total].facts),
            share(outcomes[rule, total].degenerate), share(outcomes[rule, total].detected),
            mean(kls[rule, total]),
        )
        for rule, total in cells
    )  # fmt: skip
    degenerate = {
        rule: np.array([base.degenerate, *(outcomes[rule, total].degenerate for total in totals)])
        for rule in RULES
    }
    return LayerSets(
        position=position,
        prompts=prompts,
        kl_prompts=kl_prompts,
        unsteered={f: share(getattr(base, f)) for f in ("warm", "facts", "degenerate", "detected")},
        target=target,
        settings=settings,
        sets=tuple(
            _figures(
                rule,
                chosen[rule],
                totals,
                [base, *(outcomes[rule, total] for total in totals)],
                [0.0, *(float(np.nanmean(kls[rule, total])) for total in totals)],
                target,
            )
            for rule in RULES
        ),
        comparisons=tuple(
            _compared(dense, sparse, (0.0, *totals), degenerate) for dense, sparse in COMPARED
        ),
    )


def _compared(dense: str, sparse: str, xs: Sequence[float], tables: dict[str, Table]) -> Comparison:
    def difference(drawn: NDArray[np.int_] | None = None) -> float:
        first, second = (
            crossing(xs, (t if drawn is None else t[:, drawn]).mean(axis=1), COLLAPSED) or xs[-1]
            for t in (tables[dense], tables[sparse])
        )
        return second - first

    ends = resampled(tables[dense].shape[1], difference)
    return Comparison(dense, sparse, Estimate(difference(), *ends))


def _figures(
    rule: str,
    layers: tuple[int, ...],
    totals: tuple[float, ...],
    outcomes: list[Outcome],
    kl: list[float],
    target: float,
) -> SetFigures:
    xs = (0.0, *totals)
    table = {f: np.array([getattr(o, f) for o in outcomes]) for f in ("warm", "degenerate")}
    facts = [float(np.nanmean(outcome.facts)) for outcome in outcomes]
    collapse = point(xs, table["degenerate"], COLLAPSED)
    wanted = point(xs, table["warm"], target)
    at = wanted.total
    return SetFigures(
        rule, layers, collapse, wanted,
        None if at is None else float(np.interp(at, xs, table["degenerate"].mean(axis=1))),
        None if at is None else float(np.interp(at, xs, facts)),
        None if at is None else float(np.interp(at, xs, kl)),
        float(table["warm"].mean(axis=1).max()),
    )  # fmt: skip


def point(xs: tuple[float, ...], table: Table, target: float) -> Point:
    """Where the mean of `[doses, prompts]` reaches the target, with the interval over prompts."""
    low, high = resampled(
        table.shape[1], lambda drawn: crossing(xs, table[:, drawn].mean(axis=1), target)
    )
    known = not np.isnan(low)
    return Point(
        crossing(xs, table.mean(axis=1), target), low if known else None, high if known else None
    )
