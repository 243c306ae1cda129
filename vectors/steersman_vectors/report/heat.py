"""Layer sets by alphas, from a calibration's curve or a sweep: what a heat map shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..calibrate.record import Calibration, MeasureTold
from ..judges.contract import Measure
from ..judges.scores import finite
from .contents import Contents, Swept
from .dial import DEGENERATE, told_of

LEVELS = 10
_Cell = tuple[str, tuple[int, ...], float, float]
"""Layer set, its layers, alpha, value."""


@dataclass(frozen=True, slots=True)
class Heat:
    """One measure by layer set and alpha."""

    measure: str
    told: MeasureTold
    source: str
    """Where the figures come from."""
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    """Layer set and its layers."""
    alphas: tuple[float, ...]
    cells: tuple[tuple[float | None, ...], ...]
    """`[rows][alphas]`; None where nothing was measured."""

    @property
    def ends(self) -> tuple[float, float]:
        """The values of the palest and the darkest colour: the scale's own where it has two."""
        known = [value for row in self.cells for value in row if value is not None]
        low, high = self.told.low, self.told.high
        if self.measure == DEGENERATE or self.told.unit == "share":
            return 0.0, 1.0
        if low is not None and high is not None and high - low <= 10:
            return low, high
        return (min(known), max(known)) if known else (0.0, 1.0)

    def level(self, value: float) -> int:
        """Returns the colour of a value, 0 to `LEVELS`."""
        low, high = self.ends
        share = (value - low) / (high - low) if high > low else 0.0
        return round(LEVELS * min(max(share, 0.0), 1.0))


def heats(contents: Contents) -> tuple[Heat, ...]:
    """Returns the maps side by side: the behaviour, then degenerate answers."""
    found = []
    record, swept = contents.calibration, contents.swept
    if record is not None:
        for measure in (record.behaviour, DEGENERATE):
            found.append(_of_record(record, measure))
    if swept is not None:
        found += _of_sweep(swept, contents.card.name, record)
    return tuple(heat for heat in found if any(v is not None for row in heat.cells for v in row))


def _of_record(record: Calibration, measure: str) -> Heat:
    cells = [
        (point.layer_set, point.layers, point.alpha, point.figures[measure].value)
        for point in record.curve
        if measure in point.figures
    ]
    told = told_of(record, measure)
    return _heat(measure, told, "calibration", cells)


def _of_sweep(swept: Swept, vector: str, record: Calibration | None) -> list[Heat]:
    wanted: list[Measure] = [] if swept.scores is None else [
        measure for measure in swept.scores.measures
        if (record is None or measure.name == record.behaviour) and measure.name != DEGENERATE
    ]  # fmt: skip
    found = []
    for measure in wanted:
        told = MeasureTold(
            better=measure.better, unit=measure.unit, low=finite(measure.low),
            high=finite(measure.high),
        )  # fmt: skip
        cells = [
            (each.setting.rule, each.setting.layers, each.setting.alpha, mean)
            for each in swept.figures
            if each.setting.vector is not None
            and each.setting.vector.name == vector
            and (mean := each.figures[measure.name].mean) is not None
        ]
        found.append(_heat(measure.name, told, "sweep", cells))
    broken = [
        (each.setting.rule, each.setting.layers, each.setting.alpha, rate)
        for each in swept.summaries
        if each.setting.vector is not None
        and each.setting.vector.name == vector
        and (rate := each.degenerate_rate) is not None
    ]
    share = MeasureTold(better="lower", unit="share", low=0.0, high=1.0)
    return [*found, _heat(DEGENERATE, share, "sweep", broken)]


def _heat(measure: str, told: MeasureTold, source: str, cells: Iterable[_Cell]) -> Heat:
    by_row: dict[tuple[str, tuple[int, ...]], dict[float, float]] = {}
    for rule, layers, alpha, value in cells:
        by_row.setdefault((rule, layers), {})[alpha] = value
    alphas = sorted({alpha for row in by_row.values() for alpha in row})
    return Heat(
        measure=measure,
        told=told,
        source=source,
        rows=tuple(by_row),
        alphas=tuple(alphas),
        cells=tuple(tuple(row.get(alpha) for alpha in alphas) for row in by_row.values()),
    )
