"""Several dials at once: every pair of presets, and all of them, against each preset alone.

What vectors add to a position is one sum, so a combination is measured as the vector of that sum at
alpha 1 (`combined`), which the same sweeps answer and keep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import prod
from pathlib import Path

import numpy as np

from ..card import VectorCard
from ..compare import compare
from ..errors import CallerError
from ..formats import native
from ..schedule import CONSTANT
from ..sweep.contract import OfflineEngine
from ..sweep.grid import OWN, LayerSet
from ..vector import SteeringVector, from_differences
from .bench import Bench
from .joint_record import Combination, Cosines, Joint, Side, Together
from .order import KL_TOLD, Order, Toward, check_order, counts
from .prompts import HALVES, Half
from .record import Estimate, Point
from .run import machine
from .search import Cell
from .store import Store

AT_ONE = Cell(LayerSet(OWN, None), 1.0)
MOST_OF_ALL = 27
"""Combinations of more than two vectors: three presets of three."""
MAX_NAME = 64
Presets = dict[str, str]
"""A preset of each of some vectors, by the vector's name."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """A vector with presets, and what its dial is for."""

    vector: SteeringVector
    behaviour: str
    """Name of a measure of the order."""
    toward: Toward

    @property
    def name(self) -> str:
        """Returns the vector's name."""
        return self.vector.card.name

    @property
    def by_strength(self) -> tuple[str, ...]:
        """Returns the presets, the weakest first."""
        presets = self.vector.card.presets
        return tuple(sorted(presets, key=lambda name: abs(presets[name].alpha)))

    def alpha(self, preset: str) -> float:
        """Returns the alpha of a preset."""
        return self.vector.card.presets[preset].alpha


@dataclass(frozen=True, slots=True)
class JointOrder:
    """What is measured together."""

    dials: tuple[Dialled, ...]
    """Two or more."""
    order: Order
    """Of the first vector: prompts, measures (every behaviour among them), gates, how it is
    asked."""
    most_of_all: int = MOST_OF_ALL
    """Of more than two vectors, the most combinations of all of them."""

    @property
    def sides(self) -> tuple[Side, ...]:
        """Returns the vectors, as records have them."""
        return tuple(map(_side, self.dials))

    @property
    def pairs(self) -> tuple[Presets, ...]:
        """Returns every preset of every vector with every preset of every other."""
        return tuple(
            {one.name: first, other.name: second}
            for one, other in combinations(self.dials, 2)
            for first, second in product(one.vector.card.presets, other.vector.card.presets)
        )

    @property
    def whole(self) -> bool:
        """Returns whether all presets of all vectors are tried with each other."""
        return (
            len(self.dials) == 2
            or prod(len(each.vector.card.presets) for each in self.dials) <= self.most_of_all
        )

    @property
    def of_all(self) -> tuple[Presets, ...]:
        """Returns a preset of every vector, where there are more than two.

        All combinations, or where these are too many, equal levels: the weakest of each, the next,
        ... A vector with fewer presets stays at its strongest.
        """
        if len(self.dials) == 2:
            return ()
        names = [each.name for each in self.dials]
        if self.whole:
            every = list(product(*(each.vector.card.presets for each in self.dials)))
        else:
            levels = [each.by_strength for each in self.dials]
            most = max(map(len, levels))
            every = [tuple(own[min(at, len(own) - 1)] for own in levels) for at in range(most)]
        return tuple(dict(zip(names, presets, strict=True)) for presets in every)

    @property
    def most_answers(self) -> int:
        """Returns the most answers that are asked for."""
        alone = sum(len(each.vector.card.presets) for each in self.dials)
        settings = 1 + alone + len(self.pairs) + len(self.of_all)
        return (
            self.order.asking.samples
            * settings
            * sum(len(self.order.prompts.of(half)) for half in HALVES)
        )


def check_joint(dials: Sequence[Dialled]) -> None:
    """Raises `CallerError(joint_unusable)` for vectors that no request could combine."""
    for each in dials:
        card = each.vector.card
        if not card.presets:
            raise _unusable(f"vector {card.name!r} has no presets; calibrate it first")
        if card.scale == "token":
            raise _unusable(
                f"vector {card.name!r} has scale 'token', of which no sum can be made before its "
                "tokens are known; extract it with --scale residual"
            )
    first, *others = (each.vector.card for each in dials)
    names = [each.name for each in dials]
    again = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if again is not None:
        raise _unusable(f"two vectors are named {again!r}; rename one")
    for other in others:
        if first.fingerprint != other.fingerprint:
            raise _unusable("the vectors belong to different base models; make all for one model")
        if _applied(first) != _applied(other):
            raise _unusable(
                "the vectors were calibrated under different scopes or schedules, and a request "
                "has one of each; calibrate all with the same --scope and --schedule"
            )


def combined(parts: Sequence[tuple[SteeringVector, float]]) -> SteeringVector:
    """Returns the vector that adds at alpha 1 what these add together, each at its alpha."""
    differences: dict[int, np.ndarray] = {}
    for vector, alpha in parts:
        for layer_idx, direction in vector.directions.items():
            delta = vector.coefficient(layer_idx, alpha) * direction.astype(np.float64)
            differences[layer_idx] = differences.get(layer_idx, 0.0) + delta
    each = (MAX_NAME - len(parts) + 1) // len(parts)
    first = parts[0][0].card
    left = {layer: total for layer, total in differences.items() if np.linalg.norm(total) > 0}
    return from_differences(
        left,
        name="-".join(vector.card.name[:each] for vector, _ in parts).rstrip("-._"),
        scale="raw",
        fingerprint=first.fingerprint,
        scope=first.scope,
        schedule=first.schedule,
    )


def calibrate_jointly(
    engine: OfflineEngine,
    asked: JointOrder,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Joint:
    """Returns which presets go together; every answer is kept in `folder`.

    Raises `SteersmanError`, as `calibrate` does.
    """
    check_joint(asked.dials)
    check_order(asked.order)
    started, done = time.monotonic(), 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, max(done, 2 * asked.most_answers))

    store = Store(folder)
    by_name = {each.name: each for each in asked.dials}
    alone = {
        (each.name, preset): _bench(engine, asked, each.vector, each.alpha(preset), store, tell)
        for each in asked.dials
        for preset in each.vector.card.presets
    }
    found: list[Combination] = []
    for presets in (*asked.pairs, *asked.of_all):
        dials = [by_name[name] for name in presets]
        alphas = {each.name: each.alpha(presets[each.name]) for each in dials}
        vector = combined([(each.vector, alphas[each.name]) for each in dials])
        at_once = _bench(engine, asked, vector, 1.0, store, tell)
        singles = [(each, alone[each.name, presets[each.name]]) for each in dials]
        calibration = _together(at_once, singles, "calibration")
        heldout = None if calibration.failed else _together(at_once, singles, "heldout")
        found.append(
            Combination(
                presets=presets,
                alphas=alphas,
                calibration=calibration,
                heldout=heldout,
                safe=heldout is not None and not heldout.failed,
            )
        )
    order = asked.order
    return Joint(
        vectors=asked.sides,
        fingerprint=order.model,
        cosines=tuple(_cosines(one, other) for one, other in combinations(asked.dials, 2)),
        measures={each.name: each.told for each in order.measured} | {"kl": KL_TOLD},
        gates=order.space.gates,
        prompts=counts(order.prompts),
        temperature=order.asking.temperature,
        seed=order.asking.seed,
        combinations=tuple(found),
        whole=asked.whole,
        options=order.options,
        seconds=round(time.monotonic() - started, 3),
        machine=machine(),
    )


@dataclass(frozen=True, slots=True)
class _Setting:
    bench: Bench
    cell: Cell


def _bench(
    engine: OfflineEngine,
    asked: JointOrder,
    vector: SteeringVector,
    alpha: float,
    store: Store,
    tell: Callable[[int], None],
) -> _Setting:
    order = replace(asked.order, vector=vector)
    return _Setting(Bench(engine, order, store, tell), replace(AT_ONE, alpha=alpha))


def _together(
    at_once: _Setting, singles: Sequence[tuple[Dialled, _Setting]], half: Half
) -> Together:
    (point,) = at_once.bench.cells(half, [at_once.cell])
    against: dict[str, Estimate] = {}
    missed: list[str] = []
    for side, single in singles:
        base = single.bench.values(half, single.cell)
        compared = at_once.bench.point(half, at_once.cell, base)
        loss = _turned(compared, side)
        if loss is not None:
            against[side.name] = loss
        shown = _turned(point, side)
        if shown is None or not shown.low > 0:
            missed.append(side.behaviour)
    return Together(
        figures=point.figures,
        changes=point.changes,
        against_alone=against,
        failed=(*point.failed, *missed),
    )


def _turned(point: Point, side: Dialled) -> Estimate | None:
    change = point.changes.get(side.behaviour)
    if change is None or side.toward == "higher":
        return change
    return Estimate(value=-change.value, low=-change.high, high=-change.low, n=change.n)


def _side(dialled: Dialled) -> Side:
    return Side(
        name=dialled.name,
        digest=native.digest(native.dumps(dialled.vector)),
        behaviour=dialled.behaviour,
        toward=dialled.toward,
    )


def _cosines(one: Dialled, other: Dialled) -> Cosines:
    found = compare(one.vector, other.vector)
    known = {each.layer_idx: round(each.cosine, 6) for each in found if each.cosine is not None}
    return Cosines(vectors=(one.name, other.name), layers=known)


def _applied(card: VectorCard) -> tuple[str, object]:
    return card.scope or "assistant", card.schedule or CONSTANT


def _unusable(what: str) -> CallerError:
    return CallerError(f"--with: {what}", code="joint_unusable", param="with")
