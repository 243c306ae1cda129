"""Which layer set, and which alphas on it. Pure.

**Layer set.** What a set reaches is the largest change of behaviour on its way up through the
gates. The sets within the noise of the best (they reach at least the lower end of its 95%
interval) are level; of those the one is chosen that moves the model least, by KL, for the same
change of behaviour: the least that any of them reaches. So the most behaviour for the dose decides
among sets that can all do the work; one that is gentle because it does little is not chosen.

**Alphas.** `low`, `medium` and `strong` are a third, two thirds and 95% of what the set reaches:
the last twentieth of a curve that flattens costs most and shows least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .curve import Curve, Shift, alpha_for, at, reach, rising, rounded, value_at, way_up
from .record import Gate, Point

FRACTIONS: Mapping[str, float] = {"low": 1 / 3, "medium": 2 / 3, "strong": 0.95}
"""Preset -> share of the reachable change of behaviour."""
KL = "kl"
NEAR = 1.35
"""How far from the alpha that a preset should have may be the one that it gets, as a factor."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    rule: str
    safe: tuple[Point, ...]
    curve: Curve
    floor: float
    """Lower end of the interval of the best point's change."""


def choose_layer_set(points: Sequence[Point], gates: Sequence[Gate], shift: Shift) -> str | None:
    """Returns the rule of the chosen set; None where none shows any behaviour within the gates."""
    candidates = [
        found
        for rule in dict.fromkeys(point.layer_set for point in points)
        if (found := _candidate(rule, [p for p in points if p.layer_set == rule], gates, shift))
    ]
    if not candidates:
        return None
    best = max(candidates, key=lambda each: reach(each.curve))
    level = [each for each in candidates if each is best or reach(each.curve) >= best.floor]
    target = min(reach(each.curve) for each in level)
    return min(level, key=lambda each: (_moved(each, target), -reach(each.curve))).rule


def preset_alphas(points: Sequence[Point], gates: Sequence[Gate], shift: Shift) -> dict[str, float]:
    """Returns preset -> the alpha it should have, rising; empty where nothing is reached.

    points: of one layer set.
    """
    safe = way_up(points, gates)
    curve = rising(safe, shift)
    top = reach(curve)
    if not top > 0:
        return {}
    found: dict[str, float] = {}
    for name, fraction in FRACTIONS.items():
        wanted = alpha_for(curve, fraction * top)
        assert wanted is not None, "a rising curve has every value below its highest"
        found[name] = wanted if at(safe, wanted) else rounded(wanted)
    return found


def nearest_safe(wanted: Mapping[str, float], safe: Sequence[Point]) -> dict[str, float]:
    """Returns each preset at the nearest alpha that was measured and passes, rising.

    One without such an alpha within a factor of `NEAR` is left out: it would not be what it says.
    """
    found: dict[str, float] = {}
    before = 0.0
    for name, alpha in wanted.items():
        there = [
            point.alpha
            for point in safe
            if point.alpha > before and alpha / NEAR <= point.alpha <= alpha * NEAR
        ]
        if there:
            before = found[name] = min(there, key=lambda each: abs(each - alpha))
    return found


def shows(point: Point, shift: Shift) -> bool:
    """Returns whether a point shows any of the behaviour, by the interval's worse end."""
    change = shift(point)
    return change is not None and change.low > 0


def _candidate(
    rule: str, points: Sequence[Point], gates: Sequence[Gate], shift: Shift
) -> _Candidate | None:
    safe = way_up(points, gates)
    if not any(shows(point, shift) for point in safe):
        return None
    known = [change for point in safe if (change := shift(point)) is not None]
    floor = max(known, key=lambda change: change.value).low
    return _Candidate(rule, safe, rising(safe, shift), floor)


def _moved(candidate: _Candidate, target: float) -> float:
    """Returns the KL at which the set's behaviour is at the target; without KL, its layers."""
    moved = rising(candidate.safe, lambda point: point.figures.get(KL))
    if len(moved) == 1:
        return float(len(candidate.safe[0].layers))
    alpha = alpha_for(candidate.curve, target)
    return value_at(moved, 0.0 if alpha is None else alpha)
