"""One layer set's dose-response curve: where it is safe, where it breaks, what it reaches. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import floor, log10

from .gates import ends_the_way, failed_by
from .record import Estimate, Gate, Point

Shift = Callable[[Point], Estimate | None]
"""A point's change of behaviour against unsteered, turned so that more is better."""
DIGITS = 3
"""Of an alpha that is not the caller's own."""
CLOSE = 0.05
"""A cliff is found once it lies between two alphas that differ by such a share."""
Curve = tuple[tuple[float, float], ...]
"""(alpha, value), both rising from (0, 0)."""


def by_alpha(points: Iterable[Point]) -> tuple[Point, ...]:
    """Returns the points in rising order of alpha."""
    return tuple(sorted(points, key=lambda point: point.alpha))


def way_up(points: Iterable[Point], gates: Sequence[Gate]) -> tuple[Point, ...]:
    """Returns the points that pass, from the lowest alpha to the last before one that is bad.

    So an alpha that passes by luck beyond one that is bad does not count.
    """
    safe: list[Point] = []
    for point in by_alpha(points):
        if ends_the_way(gates, point):
            break
        if not failed_by(gates, point.figures, point.changes):
            safe.append(point)
    return tuple(safe)


def middle_of_cliff(points: Iterable[Point], gates: Sequence[Gate]) -> float | None:
    """Returns the alpha that halves what lies between the last safe one and the next.

    None where all beyond the last safe one is safe, or the two are close.
    """
    points = by_alpha(points)
    safe = way_up(points, gates)
    low = safe[-1].alpha if safe else 0.0
    high = next((point.alpha for point in points if point.alpha > low), None)
    if high is None:
        return None
    middle = rounded((low + high) / 2)
    return middle if high - low > CLOSE * high and low < middle < high else None


def rising(points: Iterable[Point], value: Shift) -> Curve:
    """Returns the least-squares fit to the points that never falls, from (0, 0) on.

    Pool adjacent violators (Ayer et al. 1955): neighbours that fall are put at their mean. What is
    below 0 is put at 0. Points without a value are left out.
    """
    known = [(point.alpha, said.value) for point in by_alpha(points) if (said := value(point))]
    blocks: list[list[float]] = []  # sum, count
    for _, height in known:
        blocks.append([height, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    heights = [max(0.0, total / count) for total, count in blocks for _ in range(int(count))]
    alphas = [alpha for alpha, _ in known]
    return ((0.0, 0.0), *zip(alphas, heights, strict=True))


def alpha_for(curve: Curve, target: float) -> float | None:
    """Returns the least alpha at which the curve, joined by lines, is at `target`, if any."""
    for (a, low), (b, high) in pairwise(curve):
        if high >= target > low:
            return a + (b - a) * (target - low) / (high - low)
    return None


def value_at(curve: Curve, alpha: float) -> float:
    """Returns the curve's height at an alpha, joined by lines; beyond its end that of its end."""
    for (a, low), (b, high) in pairwise(curve):
        if a <= alpha <= b:
            return high if b == a else low + (high - low) * (alpha - a) / (b - a)
    return curve[-1][1]


def reach(curve: Curve) -> float:
    """Returns the highest value of the curve."""
    return curve[-1][1]


def rounded(alpha: float) -> float:
    """Returns the alpha, > 0, with few digits, never more than it is."""
    scale = 10.0 ** (floor(log10(alpha)) - DIGITS + 1)
    return float(f"{floor(alpha / scale + 1e-9) * scale:.{DIGITS}g}")


def at(points: Sequence[Point], alpha: float) -> Point | None:
    """Returns the point at an alpha, if it was measured."""
    return next((point for point in points if point.alpha == alpha), None)
