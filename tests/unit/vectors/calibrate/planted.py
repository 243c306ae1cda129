"""Planted dose-response: what a setting truly does is known, and answers are drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from steersman_vectors.calibrate.gates import Bounds, failed_by, gates_of
from steersman_vectors.calibrate.record import Estimate, Gate, Point
from steersman_vectors.calibrate.search import Cell, Space
from steersman_vectors.intervals import Interval, mean_interval, paired_difference, wilson
from steersman_vectors.sweep.grid import LayerSet

BEHAVIOUR = "warmth"
Truth = Callable[[float], float]
BOUNDS = Bounds(kl=1.0)
"""The planted KLs are of that size."""


def estimate(value: float, interval: Interval, n: int) -> Estimate:
    return Estimate(value=value, low=interval[0], high=interval[1], n=n)


@dataclass(frozen=True)
class Truths:
    """What one layer set does at an alpha."""

    warmth: Truth
    """Mean change, of answers with standard deviation 1."""
    broken: Truth
    """Rate of degenerate answers."""
    kl: Truth
    lost: Truth = lambda _alpha: 0.0
    """Share of the right answers (0.9 of all, unsteered) that become wrong."""


@dataclass
class Planted:
    """`MeasureCells` on `n` prompts that are drawn anew at each setting; None: without noise."""

    truths: dict[str, Truths]
    gates: tuple[Gate, ...] = field(default_factory=lambda: gates_of(
        BOUNDS, facts=True, unsafe=False))  # fmt: skip
    n: int = 200
    random: Random | None = None
    asked: list[Cell] = field(default_factory=list)

    def __call__(self, cells: Sequence[Cell]) -> list[Point]:
        self.asked += cells
        return [self.point(cell) for cell in cells]

    def point(self, cell: Cell) -> Point:
        truth, a = self.truths[cell.layer_set.rule], cell.alpha
        if self.random is None:
            shift = truth.warmth(a)
            figures = {"degenerate": sure(truth.broken(a)), "kl": sure(truth.kl(a)),
                       "refusal": sure(0.0), "facts": sure(0.9 - 0.9 * truth.lost(a))}  # fmt: skip
            changes = {BEHAVIOUR: sure(shift), "facts": sure(-0.9 * truth.lost(a)),
                       "refusal": sure(0.0)}  # fmt: skip
        else:
            figures, changes = self.drawn(truth, a, self.random)
        failed = failed_by(self.gates, figures, changes)
        layers = cell.layer_set.layers or (0,)
        return Point(layers=layers, layer_set=cell.layer_set.rule, alpha=a, figures=figures,
                     changes=changes, failed=failed)  # fmt: skip

    def drawn(
        self, truth: Truths, a: float, random: Random
    ) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
        n = self.n
        broken = sum(random.random() < truth.broken(a) for _ in range(n))
        kl = [random.gauss(truth.kl(a), 0.2) for _ in range(n)]
        change = [random.gauss(truth.warmth(a), 1.0) for _ in range(n)]
        before = [float(random.random() < 0.9) for _ in range(n)]
        after = [x * float(random.random() >= truth.lost(a)) for x in before]
        none = paired_difference([0.0] * n, [0.0] * n)
        figures = {
            "degenerate": estimate(broken / n, wilson(broken, n), n),
            "kl": estimate(sum(kl) / n, mean_interval(kl), n),
        }
        changes = {
            BEHAVIOUR: estimate(sum(change) / n, mean_interval(change), n),
            "facts": estimate(
                (sum(after) - sum(before)) / n, paired_difference(after, before), n
            ),
            "refusal": estimate(0.0, none, n),
        }  # fmt: skip
        return figures, changes


def sure(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=200)


def shift(point: Point) -> Estimate | None:
    return point.changes.get(BEHAVIOUR)


def space(rules: Sequence[str], alphas: Sequence[float], gates: tuple[Gate, ...]) -> Space:
    sets = tuple(LayerSet(rule, (at,)) for at, rule in enumerate(rules))
    return Space(sets, tuple(alphas), gates)
