"""Whether files are what this calibration wrote before: then it may write them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ..errors import SteersmanError
from ..formats import native
from ..recipe.calibrate_step import options_digest
from ..vector import SteeringVector
from .card_fields import with_dial
from .joint import JointOrder
from .joint_card import with_joint
from .joint_record import Joint
from .order import Order
from .record import Calibration

Told = TypeVar("Told", Calibration, Joint)


def is_outcome(order: Order, out: Path, record_file: Path) -> bool:
    """Returns whether what is there of the two files is of this vector and these options."""
    record = _record(record_file, Calibration)
    if record is None or (record.vector_digest, record.options) != (order.digest, order.options):
        return False
    if not out.exists():
        return True
    try:
        written, again = native.load(out), with_dial(order, record)
        step = written.card.recipe.get("calibration")
        if not isinstance(step, dict) or options_digest(step) != order.options:
            return False
    except (SteersmanError, ValueError, OSError):
        return False
    # How it was typed then, with what installed, does not count.
    recipe = {**again.card.recipe, "calibration": step}
    then = again.card.model_copy(update={"recipe": recipe})
    return native.dumps(written) == native.dumps(SteeringVector(then, again.directions))


def is_joint_outcome(jointly: JointOrder, outs: Sequence[Path], record_file: Path) -> bool:
    """Returns the same of a joint calibration; outs: one for each vector, in their order."""
    record = _record(record_file, Joint)
    if record is None or record.options != jointly.order.options:
        return False
    if (record.vectors, record.whole) != (jointly.sides, jointly.whole):
        return False
    try:
        return all(
            not out.exists() or out.read_bytes() == native.dumps(with_joint(each.vector, record))
            for each, out in zip(jointly.dials, outs, strict=True)
        )
    except OSError:
        return False


def _record(file: Path, kind: type[Told]) -> Told | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
