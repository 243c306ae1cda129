"""Whether files are what this calibration wrote before: then it may write them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ..errors import SteersmanError
from ..formats import native
from .joint import JointOrder
from .joint_card import with_joint
from .joint_record import Joint
from .order import Order
from .record import Calibration

Told = TypeVar("Told", Calibration, Joint)
NOT_OPTIONS = ("command", "versions")
"""Of the recipe: how it was typed and what was installed."""


def is_outcome(order: Order, out: Path, record_file: Path) -> bool:
    """Returns whether what is there of the two files is of this vector and these options."""
    record = _record(record_file, Calibration)
    if record is None or record.vector_digest != order.digest:
        return False
    if not out.exists():
        return True
    try:
        card = native.load(out).card
    except SteersmanError:
        return False
    then = card.recipe.get("calibration")
    return isinstance(then, Mapping) and _options(then) == _options(order.recipe)


def is_joint_outcome(jointly: JointOrder, outs: Sequence[Path], record_file: Path) -> bool:
    """Returns the same of a joint calibration; outs: one for each vector, in their order."""
    record, order = _record(record_file, Joint), jointly.order
    if record is None or record.gates != order.space.gates:
        return False
    if (record.temperature, record.seed) != (order.asking.temperature, order.asking.seed):
        return False
    if [side.name for side in record.vectors] != [each.name for each in jointly.dials]:
        return False
    return all(
        not out.exists() or out.read_bytes() == native.dumps(with_joint(each.vector, record))
        for each, out in zip(jointly.dials, outs, strict=True)
    )


def _record(file: Path, kind: type[Told]) -> Told | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _options(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in recipe.items() if name not in NOT_OPTIONS}
