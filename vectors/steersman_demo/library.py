"""The shipped vectors on disk: `NAME/vector.safetensors`, and its card to read."""

import json
from pathlib import Path

from steersman_vectors.formats import native
from steersman_vectors.vector import SteeringVector

NAMES = ("empathy", "concise")


def load(library: Path, name: str) -> SteeringVector:
    """The shipped vector of that name."""
    return native.load(library / name / "vector.safetensors")


def save(vector: SteeringVector, library: Path) -> str:
    """Write the vector and its card; returns the digest."""
    folder = library / vector.card.name
    folder.mkdir(parents=True, exist_ok=True)
    card = vector.card.model_dump(mode="json")
    (folder / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return native.save(vector, folder / "vector.safetensors")
