"""What a card says of the vectors that its own was calibrated with.

`quality.joint` has an entry for each other vector, and one for all of them, named `B+C`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from ..card import VectorCard
from ..vector import SteeringVector
from .card_fields import figures_json
from .joint_record import Combination, Joint, Side

BESIDE = "+"
"""Between the names of several others; no vector's name has it."""


def with_joint(vector: SteeringVector, joint: Joint) -> SteeringVector:
    """Returns the vector with what goes together on its card, beside what others left there."""
    own = vector.card.name
    others = [side for side in joint.vectors if side.name != own]
    before = vector.card.quality.get("joint")
    entries: dict[str, JsonValue] = dict(before) if isinstance(before, dict) else {}
    for other in others:
        pair = joint.of(frozenset((own, other.name)))
        entries[other.name] = {
            "digest": other.digest,
            "cosines": _cosines(joint, own, other.name),
            **_tried(pair),
        }
    if len(others) > 1:
        every = joint.of(frozenset(side.name for side in joint.vectors))
        name = BESIDE.join(side.name for side in others)
        entries[name] = {"digests": _digests(others), "whole": joint.whole, **_tried(every)}
    quality = {**vector.card.quality, "joint": entries}
    card = VectorCard.model_validate({**vector.card.model_dump(), "quality": quality})
    return SteeringVector(card, vector.directions)


def _tried(combinations: Sequence[Combination]) -> dict[str, JsonValue]:
    return {
        "safe": [dict(each.presets) for each in combinations if each.safe],
        "tried": len(combinations),
        "interference": [
            {
                **each.presets,
                "against_alone": figures_json(each.seen.against_alone),
                "half": "heldout" if each.heldout else "calibration",
                "failed": list(each.seen.failed),
            }
            for each in combinations
        ],
    }


def _cosines(joint: Joint, one: str, other: str) -> dict[str, JsonValue]:
    found: Mapping[int, float] = next(
        (each.layers for each in joint.cosines if set(each.vectors) == {one, other}), {}
    )
    return {str(layer): value for layer, value in found.items()}


def _digests(others: Sequence[Side]) -> dict[str, JsonValue]:
    return {side.name: side.digest for side in others}
