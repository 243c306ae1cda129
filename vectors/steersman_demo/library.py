"""The shipped vectors on disk: `NAME/vector.safetensors`, and its card to read."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from steersman_demo.measure import Row
from steersman_demo.presets import DOSES
from steersman_vectors.formats import native
from steersman_vectors.vector import SteeringVector


def load_all(library: Path) -> list[SteeringVector]:
    """The shipped vectors, in the order of their doses."""
    return [native.load(library / name / "vector.safetensors") for name in DOSES]


def save(vector: SteeringVector, library: Path) -> str:
    """Write the vector and its card; returns the digest."""
    folder = library / vector.card.name
    folder.mkdir(parents=True, exist_ok=True)
    card = vector.card.model_dump(mode="json")
    (folder / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return native.save(vector, folder / "vector.safetensors")


def with_evidence(vector: SteeringVector, rows: Sequence[Row]) -> SteeringVector:
    """The vector with what was measured at each of its presets; directions as they are."""
    measured = {row.setting: asdict(row) for row in rows if row.direction == vector.card.name}
    presets = {
        name: preset.model_copy(update={"evidence": measured.get(name, {})})
        for name, preset in vector.card.presets.items()
    }
    return SteeringVector(vector.card.model_copy(update={"presets": presets}), vector.directions)
