"""A calibration: search on one half of the prompts, confirm on the other, write what was seen."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..sweep.contract import OfflineEngine
from ..vector import SteeringVector
from .bench import Bench
from .card_fields import with_dial
from .confirm import Confirmed, confirm
from .curve import Shift
from .order import KL_TOLD, Order, bound, check_order, counts
from .record import Calibration, Estimate, ExampleAnswer, Point
from .search import Cell, Found, search
from .store import Store

Progress = Callable[[int, int], None]
"""Told how many answers and weighings there are, and how many there will be at most."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The record, and the vector with its dial."""

    record: Calibration
    vector: SteeringVector
    """At the chosen layers, with presets; as it was given, but for its card's word on that, where
    none passed."""


def calibrate(
    engine: OfflineEngine, order: Order, folder: Path, progress: Progress | None = None
) -> Calibrated:
    """Returns what was found; every answer is kept in `folder`, and found there again.

    Raises `SteersmanError`: what the judges, the engine or the folder refuse.
    """
    check_order(order)
    started = time.monotonic()
    count = _Count(bound(order).steps, progress)
    bench = Bench(engine, order, Store(folder), count.more)
    shift = shift_of(order)
    found = search(order.space, shift, lambda cells: bench.cells("calibration", cells))
    held = _held_out(bench, order, found, shift)
    unsteered = bench.unsteered("heldout")
    prompted = tuple(bench.prompted(each) for each in order.system_prompts)
    why_none = found.why_none
    if not why_none and not held.offered:
        said = "; ".join(f"{name}: {each.why_not}" for name, each in held.presets.items())
        why_none = f"no preset is confirmed on the held-out half: {said}"
    record = Calibration(
        vector=order.vector.card.name,
        vector_digest=order.digest,
        fingerprint=order.model,
        behaviour=order.behaviour,
        measures={each.name: each.told for each in order.measured} | {"kl": KL_TOLD},
        gates=order.space.gates,
        scope=order.scope,
        schedule=order.schedule,
        temperature=order.asking.temperature,
        samples=order.asking.samples,
        seed=order.asking.seed,
        prompts=counts(order.prompts),
        unsteered=unsteered,
        curve=found.points,
        presets=held.presets,
        alpha_max=held.alpha_max,
        prompted=prompted,
        examples=tuple(_examples(bench, order, found)),
        why_none=why_none,
        options=order.options,
        seconds=round(time.monotonic() - started, 3),
        machine=machine(),
        toward=order.toward,
        layer_set=found.rule,
        cliff_seen=found.cliff_seen,
    )
    count.end()
    return Calibrated(record, with_dial(order, record))


def shift_of(order: Order) -> Shift:
    """Returns what gives a point's change of behaviour, turned so that more is better."""

    def shift(point: Point) -> Estimate | None:
        change = point.changes.get(order.behaviour)
        if change is None or order.toward == "higher":
            return change
        return Estimate(value=-change.value, low=-change.high, high=-change.low, n=change.n)

    return shift


def machine() -> str:
    """Returns the machine in words."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"


def _held_out(bench: Bench, order: Order, found: Found, shift: Shift) -> Confirmed:
    if found.rule is None:
        return Confirmed({}, None)
    chosen = next(each for each in order.space.layer_sets if each.rule == found.rule)
    wanted = sorted({*found.alphas.values(), *filter(None, [found.alpha_max])})
    heldout = bench.cells("heldout", [Cell(chosen, alpha) for alpha in wanted])
    own = [point for point in found.points if point.layer_set == found.rule]
    return confirm(found.alphas, found.alpha_max, own, heldout, order.space.gates, shift)


def _examples(bench: Bench, order: Order, found: Found) -> list[ExampleAnswer]:
    cells: list[Cell | None] = [None]
    if found.rule is not None:
        chosen = next(each for each in order.space.layer_sets if each.rule == found.rule)
        alphas = {*found.alphas.values(), *filter(None, [found.alpha_max])}
        cells += [Cell(chosen, alpha) for alpha in sorted(alphas)]
    return [
        ExampleAnswer(
            prompt=prompt.asked,
            alpha=0.0 if cell is None else cell.alpha,
            text=bench.text("heldout", prompt, cell),
        )
        for prompt in order.prompts.of("heldout", "prompts")[: order.examples]
        for cell in cells
    ]


class _Count:
    """Adds up what is done, towards a bound that falls when a search ends early."""

    def __init__(self, most: int, progress: Progress | None) -> None:
        self._done, self._most, self._progress = 0, most, progress

    def more(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, max(self._most, self._done))

    def end(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._done)
