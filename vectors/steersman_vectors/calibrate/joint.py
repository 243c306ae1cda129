"""Two dials at once: every pair of presets, against each preset alone.

What two vectors add to a position is one sum, so a pair is measured as the vector of that sum at
alpha 1 (`combined`), which the same sweeps answer and keep.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
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
from .card_fields import figures_json
from .joint_record import Combination, Joint, Side, Together
from .order import KL_TOLD, Order, Toward, check_order, counts
from .prompts import HALVES, Half
from .record import Estimate, Point
from .run import machine
from .search import Cell
from .store import Store

AT_ONE = Cell(LayerSet(OWN, None), 1.0)


@dataclass(frozen=True, slots=True)
class Dialled:
    """A vector with presets, and what its dial is for."""

    vector: SteeringVector
    behaviour: str
    """Name of a measure of the order."""
    toward: Toward


@dataclass(frozen=True, slots=True)
class JointOrder:
    """What is measured together."""

    one: Dialled
    other: Dialled
    order: Order
    """Of the first vector: prompts, measures (both behaviours among them), gates, how it is
    asked."""

    @property
    def most_answers(self) -> int:
        """Returns the most answers that are asked for."""
        sides = [len(each.vector.card.presets) for each in (self.one, self.other)]
        settings = 1 + sum(sides) + sides[0] * sides[1]
        return settings * sum(len(self.order.prompts.of(half)) for half in HALVES)


def check_joint(one: Dialled, other: Dialled) -> None:
    """Raises `CallerError(joint_unusable)` for two vectors that no request could combine."""
    for each in (one, other):
        card = each.vector.card
        if not card.presets:
            raise _unusable(f"vector {card.name!r} has no presets; calibrate it first")
        if card.scale == "token":
            raise _unusable(
                f"vector {card.name!r} has scale 'token', of which no sum can be made before its "
                "tokens are known; extract it with --scale residual"
            )
    first, second = one.vector.card, other.vector.card
    if first.name == second.name:
        raise _unusable(f"both vectors are named {first.name!r}; rename one")
    if first.fingerprint != second.fingerprint:
        raise _unusable("the two vectors belong to different base models; make both for one model")
    if _applied(first) != _applied(second):
        raise _unusable(
            "the two vectors were calibrated under different scopes or schedules, and a request "
            "has one of each; calibrate both with the same --scope and --schedule"
        )


def combined(
    one: SteeringVector, alpha_one: float, other: SteeringVector, alpha_other: float
) -> SteeringVector:
    """Returns the vector that adds at alpha 1 what both add at these alphas."""
    differences: dict[int, np.ndarray] = {}
    for vector, alpha in ((one, alpha_one), (other, alpha_other)):
        for layer_idx, direction in vector.directions.items():
            delta = vector.coefficient(layer_idx, alpha) * direction.astype(np.float64)
            differences[layer_idx] = differences.get(layer_idx, 0.0) + delta
    name = f"{one.card.name[:31]}-{other.card.name[:31]}"
    left = {layer: each for layer, each in differences.items() if np.linalg.norm(each) > 0}
    return from_differences(
        left,
        name=name,
        scale="raw",
        fingerprint=one.card.fingerprint,
        scope=one.card.scope,
        schedule=one.card.schedule,
    )


def calibrate_jointly(
    engine: OfflineEngine,
    asked: JointOrder,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Joint:
    """Returns which pairs of presets go together; every answer is kept in `folder`.

    Raises `SteersmanError`, as `calibrate` does.
    """
    check_joint(asked.one, asked.other)
    check_order(asked.order)
    started, done = time.monotonic(), 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, max(done, 2 * asked.most_answers))

    store = Store(folder)
    sides = (asked.one, asked.other)
    presets = [each.vector.card.presets for each in sides]
    alone = [
        {name: _bench(engine, asked, each.vector, preset.alpha, store, tell)
         for name, preset in of_side.items()}
        for each, of_side in zip(sides, presets, strict=True)
    ]  # fmt: skip
    found: list[Combination] = []
    for first, second in product(*presets):
        alphas = presets[0][first].alpha, presets[1][second].alpha
        vector = combined(sides[0].vector, alphas[0], sides[1].vector, alphas[1])
        pair = _bench(engine, asked, vector, 1.0, store, tell)
        singles = (alone[0][first], alone[1][second])
        calibration = _together(asked, pair, singles, "calibration")
        heldout = None if calibration.failed else _together(asked, pair, singles, "heldout")
        found.append(
            Combination(
                presets=(first, second),
                alphas=alphas,
                calibration=calibration,
                heldout=heldout,
                safe=heldout is not None and not heldout.failed,
            )
        )
    order = asked.order
    return Joint(
        vectors=(_side(asked.one), _side(asked.other)),
        fingerprint=order.model,
        cosines={
            each.layer_idx: round(each.cosine, 6)
            for each in compare(asked.one.vector, asked.other.vector)
            if each.cosine is not None
        },
        measures={each.name: each.told for each in order.measured} | {"kl": KL_TOLD},
        gates=order.space.gates,
        prompts=counts(order.prompts),
        temperature=order.asking.temperature,
        seed=order.asking.seed,
        combinations=tuple(found),
        seconds=round(time.monotonic() - started, 3),
        machine=machine(),
    )


def with_joint(vector: SteeringVector, joint: Joint) -> SteeringVector:
    """Returns the vector with what goes together on its card, beside what others left there."""
    names = [side.name for side in joint.vectors]
    own = names.index(vector.card.name)
    other = joint.vectors[1 - own]
    before = vector.card.quality.get("joint")
    kept = before if isinstance(before, dict) else {}
    entry = {
        "digest": other.digest,
        "cosines": {str(layer): value for layer, value in joint.cosines.items()},
        "safe": [
            {vector.card.name: each.presets[own], other.name: each.presets[1 - own]}
            for each in joint.safe
        ],
        "tried": len(joint.combinations),
        "interference": [
            {
                vector.card.name: each.presets[own],
                other.name: each.presets[1 - own],
                "against_alone": figures_json((each.heldout or each.calibration).against_alone),
                "half": "heldout" if each.heldout else "calibration",
                "failed": list((each.heldout or each.calibration).failed),
            }
            for each in joint.combinations
        ],
    }
    quality = {**vector.card.quality, "joint": {**kept, other.name: entry}}
    card = VectorCard.model_validate({**vector.card.model_dump(), "quality": quality})
    return SteeringVector(card, vector.directions)


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
    asked: JointOrder, pair: _Setting, singles: tuple[_Setting, _Setting], half: Half
) -> Together:
    (point,) = pair.bench.cells(half, [pair.cell])
    against: dict[str, Estimate] = {}
    missed: list[str] = []
    for side, single in zip((asked.one, asked.other), singles, strict=True):
        base = single.bench.values(half, single.cell)
        compared = pair.bench.point(half, pair.cell, base)
        loss = _turned(compared, side)
        if loss is not None:
            against[side.vector.card.name] = loss
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
    vector = dialled.vector
    return Side(
        name=vector.card.name,
        digest=native.digest(native.dumps(vector)),
        behaviour=dialled.behaviour,
        toward=dialled.toward,
    )


def _applied(card: VectorCard) -> tuple[str, object]:
    return card.scope or "assistant", card.schedule or CONSTANT


def _unusable(what: str) -> CallerError:
    return CallerError(f"--with: {what}", code="joint_unusable", param="with")
