"""The dial as a report shows it: its layers, its points, what stands beside them. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..calibrate.curve import way_up
from ..calibrate.record import Calibration, ChosenPreset, Estimate, Gate, MeasureTold, Point
from .number_text import UNKNOWN

DEGENERATE = "degenerate"
Layers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dial:
    """A calibration along one layer set."""

    record: Calibration
    layers: Layers
    layer_set: str
    points: tuple[Point, ...]
    """At these layers, by alpha."""

    @property
    def told(self) -> MeasureTold:
        """The behaviour's scale."""
        return told_of(self.record, self.record.behaviour)

    @property
    def way_up(self) -> tuple[Point, ...]:
        """The points that pass every gate on the way up, below the cap."""
        cap = self.record.alpha_max
        up = way_up((point for point in self.points if point.alpha > 0), self.record.gates)
        return tuple(point for point in up if cap is None or point.alpha <= cap)

    @property
    def safe_to(self) -> float | None:
        """The end of the safe zone; None where no dose is known to pass every gate.

        On the calibration split, as the curve is, and never beyond `alpha_max`.
        """
        up = self.way_up if self.record.gates else ()
        return up[-1].alpha if up else None

    @property
    def undecided(self) -> tuple[Point, ...]:
        """Points within the safe zone that are not shown to pass, and not to fail either."""
        end, up = self.safe_to or 0.0, self.way_up
        return tuple(p for p in self.points if 0 < p.alpha < end and p not in up)

    @property
    def confirmed(self) -> dict[str, ChosenPreset]:
        """Presets that the held-out split confirms, weakest first."""
        return {name: each for name, each in presets(self.record).items() if each.confirmed}


def dial_of(record: Calibration) -> Dial:
    """Returns the dial on the layers of the presets; without presets on those that held best."""
    layers, rule = _chosen(record)
    points = [point for point in record.curve if (point.layers, point.layer_set) == (layers, rule)]
    return Dial(record, layers, rule, tuple(sorted(points, key=lambda point: point.alpha)))


def presets(record: Calibration) -> dict[str, ChosenPreset]:
    """Returns the presets, weakest first."""
    return dict(sorted(record.presets.items(), key=lambda item: (abs(item[1].alpha), item[0])))


def told_of(record: Calibration, measure: str) -> MeasureTold:
    """Returns a measure's scale, or one that says nothing where the record does not tell it."""
    return record.measures.get(measure, UNKNOWN)


def gate_of(record: Calibration, measure: str) -> Gate | None:
    """Returns the gate on a measure, if there is one."""
    return next((gate for gate in record.gates if gate.measure == measure), None)


def side_measures(record: Calibration) -> tuple[str, ...]:
    """Returns all measures but the behaviour: gated ones first, then as they were told."""
    found = dict.fromkeys(gate.measure for gate in record.gates)
    found |= dict.fromkeys(record.measures)
    for point in record.curve:
        found |= dict.fromkeys(point.figures)
    return tuple(name for name in found if name != record.behaviour)


def compared(record: Calibration, measure: str) -> bool:
    """Returns whether a measure is told as its change against unsteered, rather than as it is."""
    gate = gate_of(record, measure)
    if gate is not None:
        return gate.compared == "change"
    return any(measure in point.changes for point in record.curve)


def value_at(record: Calibration, point: Point, measure: str) -> Estimate | None:
    """Returns what is shown of a measure at a point: its change or its figure, by its gate."""
    found = point.changes if compared(record, measure) else point.figures
    return found.get(measure)


def best_prompt(record: Calibration) -> int | None:
    """Returns the index of the system prompt that does most for the behaviour; None without any."""
    sign = -1.0 if record.toward == "lower" else 1.0
    values = [
        (sign * each.figures[record.behaviour].value, -index)
        for index, each in enumerate(record.prompted)
        if record.behaviour in each.figures
    ]
    return -max(values)[1] if values else None


def letter(index: int) -> str:
    """Returns what a system prompt is called in plots and tables: A, B, ... Z, then numbers."""
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def _chosen(record: Calibration) -> tuple[Layers, str]:
    used = [
        (each.calibration.layers, each.calibration.layer_set) for each in record.presets.values()
    ]
    if used:
        return Counter(used).most_common(1)[0][0]
    held: dict[tuple[Layers, str], int] = {}
    for point in record.curve:
        key = (point.layers, point.layer_set)
        held[key] = held.get(key, 0) + (not point.failed)
    chosen = [key for key in held if key[1] == record.layer_set]
    if chosen:
        return chosen[0]
    return max(held, key=lambda key: held[key]) if held else ((), "")
