"""What the held-out half says of what was chosen on the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .choice import shows
from .curve import Shift, way_up
from .gates import coherent, why_not
from .record import ChosenPreset, Gate, Point


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The presets with the held-out half's word on each, and the cap that it leaves."""

    presets: dict[str, ChosenPreset]
    alpha_max: float | None

    @property
    def offered(self) -> dict[str, ChosenPreset]:
        """Returns the presets that go to the card."""
        return {name: each for name, each in self.presets.items() if each.confirmed}


def confirm(
    alphas: Mapping[str, float],
    alpha_max: float | None,
    calibration: Iterable[Point],
    heldout: Iterable[Point],
    gates: Iterable[Gate],
    shift: Shift,
) -> Confirmed:
    """Returns which presets hold on prompts that had no part in choosing them.

    Args:
        alphas: By preset.
        alpha_max: As the calibration half has it; it falls to the largest alpha that is coherent on
            the held-out half, too, and is never below a preset that is confirmed.
        calibration: The chosen layer set's points.
        heldout: Its points at these alphas.
        gates: The same as before.
        shift: A point's change of behaviour.
    """
    gates = tuple(gates)
    before = {point.alpha: point for point in calibration}
    after = {point.alpha: point for point in heldout}
    presets = {
        name: _preset(before[alpha], after[alpha], gates, shift) for name, alpha in alphas.items()
    }
    offered = [each.alpha for each in presets.values() if each.confirmed]
    holds = [point.alpha for point in way_up(after.values(), coherent(gates))]
    limits = [alpha for alpha in holds if alpha_max is not None and alpha <= alpha_max]
    return Confirmed(presets, max([*limits, *offered], default=None))


def _preset(before: Point, after: Point, gates: tuple[Gate, ...], shift: Shift) -> ChosenPreset:
    reason = why_not(gates, after)
    if not reason and not shows(after, shift):
        change = shift(after)
        got = "nothing" if change is None else (
            f"{change.value:.3g} ({change.low:.3g} to {change.high:.3g})"
        )  # fmt: skip
        reason = f"the behaviour is not shown to change: {got}"
    return ChosenPreset(
        alpha=after.alpha,
        calibration=before,
        heldout=after,
        confirmed=not reason,
        why_not=reason,
    )
