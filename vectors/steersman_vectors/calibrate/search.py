"""From coarse to fine: what is measured next follows from what was measured before.

1. every layer set at every alpha of the coarse grid;
2. for the leading sets, the cliff of the gates, halved a few times;
3. on the chosen set, the cliff of coherence, halved as often;
4. the presets' alphas themselves, again where that moves them: nothing is only interpolated.

Deterministic: the same answers lead to the same questions, which is why a stopped run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..sweep.grid import LayerSet
from .choice import choose_layer_set, nearest_safe, preset_alphas
from .curve import Shift, middle_of_cliff, reach, rising, way_up
from .gates import coherent, why_not
from .record import Gate, Point

ROUNDS = 3
"""How often the presets' alphas are set anew by what was measured at the last ones."""
NEAR = 0.1
"""An alpha is measured if one was that differs by no more than this share of it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting that is to be measured."""

    layer_set: LayerSet
    alpha: float


MeasureCells = Callable[[Sequence[Cell]], Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched."""

    layer_sets: tuple[LayerSet, ...]
    alphas: tuple[float, ...]
    """Of the coarse grid: positive."""
    gates: tuple[Gate, ...]
    halvings: int = 3
    """Of a cliff."""
    leading: int = 3
    """Layer sets whose cliff is looked for."""

    @property
    def most_cells(self) -> int:
        """Returns how many settings are measured at most."""
        coarse = len(self.layer_sets) * len(self.alphas)
        halved = self.halvings * (min(self.leading, len(self.layer_sets)) + 1)
        return coarse + halved + 3 * ROUNDS


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it."""

    points: tuple[Point, ...]
    """All that was measured, in that order."""
    rule: str | None
    """Of the chosen layer set."""
    alphas: dict[str, float]
    """By preset."""
    alpha_max: float | None
    """None where no gate is of coherence, too: nobody has looked."""
    cliff_seen: bool
    """Whether coherence broke at a larger alpha; else `alpha_max` is where the search ended."""
    why_none: str | None = None


def search(space: Space, shift: Shift, measure: MeasureCells) -> Found:
    """Returns the layer set and the alphas that hold under the gates, or why there are none."""
    points = list(
        measure([Cell(chosen, a) for chosen in space.layer_sets for a in sorted(space.alphas)])
    )
    for _ in range(space.halvings):
        wanted = _cliffs(space, points, shift)
        if not wanted:
            break
        points += measure(wanted)
    rule = choose_layer_set(points, space.gates, shift)
    if rule is None:
        return Found(tuple(points), None, {}, None, False, why_none(space, points, shift))
    chosen = next(each for each in space.layer_sets if each.rule == rule)
    cap_gates = coherent(space.gates)
    for _ in range(space.halvings):
        middle = middle_of_cliff(_of(points, rule), cap_gates)
        if middle is None:
            break
        points += measure([Cell(chosen, middle)])
    for _ in range(ROUNDS):
        ideal = preset_alphas(_of(points, rule), space.gates, shift)
        new = _unmeasured(ideal.values(), _of(points, rule))
        if not new:
            break
        points += measure([Cell(chosen, a) for a in new])
    own = _of(points, rule)
    ideal = preset_alphas(own, space.gates, shift)
    alphas = nearest_safe(ideal, way_up(own, space.gates))
    holds = way_up(own, cap_gates) if cap_gates else ()
    return Found(
        points=tuple(points),
        rule=rule,
        alphas=alphas,
        alpha_max=holds[-1].alpha if holds else None,
        cliff_seen=bool(holds) and any(point.alpha > holds[-1].alpha for point in own),
        why_none=None if alphas else _missed(space, own, shift),
    )


def why_none(space: Space, points: Sequence[Point], shift: Shift) -> str:
    """Returns in words why no setting can be offered."""
    gentle = min(points, key=lambda point: point.alpha)
    safe = [p for each in space.layer_sets for p in way_up(_of(points, each.rule), space.gates)]
    where = f"layers {gentle.layer_set} at alpha {gentle.alpha:g}"
    if not safe:
        return f"no setting passes the gates; even {where}: {why_not(space.gates, gentle)}"
    best = max((each for point in safe if (each := shift(point))), key=lambda e: e.value,
               default=None)  # fmt: skip
    if best is None:
        return "the judge of the behaviour had nothing to say of the settings that pass the gates"
    return (
        "within the gates the behaviour changes by no more than chance: at best by "
        f"{best.value:.3g} ({best.low:.3g} to {best.high:.3g}) over {best.n} prompts"
    )


def _cliffs(space: Space, points: Sequence[Point], shift: Shift) -> list[Cell]:
    def reached(chosen: LayerSet) -> float:
        return reach(rising(way_up(_of(points, chosen.rule), space.gates), shift))

    wanted = []
    for chosen in sorted(space.layer_sets, key=reached, reverse=True)[: space.leading]:
        middle = middle_of_cliff(_of(points, chosen.rule), space.gates)
        if middle is not None:
            wanted.append(Cell(chosen, middle))
    return wanted


def _unmeasured(wanted: Iterable[float], own: Sequence[Point]) -> list[float]:
    there = [point.alpha for point in own]
    return sorted({a for a in wanted if not any(abs(each - a) <= NEAR * a for each in there)})


def _missed(space: Space, own: Sequence[Point], shift: Shift) -> str:
    """Returns why the chosen set has no presets: its points pass, but not at alphas of theirs."""
    last = next((point for point in reversed(own) if point.failed), None)
    if last is None or not preset_alphas(own, space.gates, shift):
        return why_none(space, own, shift)
    where = f"layers {last.layer_set} at alpha {last.alpha:g}"
    return f"no preset passes at an alpha of its own; {where}: {why_not(space.gates, last)}"


def _of(points: Sequence[Point], rule: str) -> list[Point]:
    return [point for point in points if point.layer_set == rule]
