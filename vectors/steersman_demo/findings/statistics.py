"""The few statistics that findings need. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

from steersman_vectors.intervals import mean_interval, wilson
from steersman_vectors.judges import agreement
from steersman_vectors.judges.agreement import mean_ranks

BOOTSTRAPS, PERMUTATIONS = 1000, 10_000
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with the ends of its 95% interval."""

    value: float
    low: float
    high: float


def share(values: Values) -> Estimate:
    """The share of ones, with Wilson's interval; NaN is left out."""
    known = values[~np.isnan(values)]
    return Estimate(float(known.mean()), *wilson(float(known.sum()), len(known)))


def mean(values: Sequence[float] | Values) -> Estimate:
    """The mean with Student's interval; NaN is left out."""
    known = [float(value) for value in values if not np.isnan(value)]
    return Estimate(float(np.mean(known)), *mean_interval(known))


def crossing(xs: Sequence[float], ys: Sequence[float] | Values, target: float) -> float | None:
    """The first x at which the line through the points reaches `target` from below.

    None where it never does; the first x where it begins there.
    """
    if ys[0] >= target:
        return xs[0]
    for k in range(1, len(xs)):
        if ys[k] >= target:
            part = (target - ys[k - 1]) / (ys[k] - ys[k - 1])
            return float(xs[k - 1] + part * (xs[k] - xs[k - 1]))
    return None


def resampled(
    n: int, figure: Callable[[NDArray[np.int_]], float | None], seed: int = 0
) -> tuple[float, float]:
    """The 95% percentile interval of a figure of `n` items, drawn again `BOOTSTRAPS` times.

    A draw that gives no figure is left out; NaN where more than one in twenty does.
    """
    rng = np.random.default_rng(seed)
    found = [figure(rng.integers(0, n, n)) for _ in range(BOOTSTRAPS)]
    known = [value for value in found if value is not None]
    if len(known) < 0.95 * len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def ranks(values: Sequence[float] | Values) -> Values:
    """Ranks from 0, equal values at the mean of theirs."""
    return np.array(mean_ranks([float(value) for value in values])) - 1


def spearman(a: Sequence[float] | Values, b: Sequence[float] | Values) -> float:
    """Spearman's rank correlation; 0 where one side is all the same."""
    found = agreement.spearman([float(value) for value in a], [float(value) for value in b])
    return 0.0 if isnan(found) else found


def grouped_spearman(
    a: Sequence[Sequence[float] | Values], b: Sequence[Sequence[float] | Values], seed: int = 0
) -> tuple[float, float]:
    """Mean of Spearman's correlation within each group, and the two-sided p of its size.

    p = (1 + shuffles within groups that correlate as strongly) / (1 + shuffles).
    """
    observed = float(np.mean([spearman(x, y) for x, y in zip(a, b, strict=True)]))
    x = [_standardised(ranks(group)) for group in a]
    y = [_standardised(ranks(group)) for group in b]
    rng = np.random.default_rng(seed)
    totals = np.zeros(PERMUTATIONS)
    for one, other in zip(x, y, strict=True):
        shuffled = rng.permuted(np.tile(other, (PERMUTATIONS, 1)), axis=1)
        totals += shuffled @ one
    as_strong = np.count_nonzero(np.abs(totals / len(x)) >= abs(observed) - 1e-9)
    return observed, float((1 + as_strong) / (1 + PERMUTATIONS))


def _standardised(values: Values) -> Values:
    centred = values - values.mean()
    size = float(np.linalg.norm(centred))
    scaled: Values = centred / size if size > 0 else centred
    return scaled
