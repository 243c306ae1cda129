"""The dose of a setting as one engine runs it: a vector at some of its layers is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import CallerError
from ..vector import SteeringVector
from .contract import UNSTEERED, Dose, OfflineEngine
from .grid import Setting


def resident_dose(
    engine: OfflineEngine, vectors: Mapping[str, SteeringVector]
) -> Callable[[Setting], Dose]:
    """Returns what gives a setting's dose as this engine runs it; loads vectors as they come up.

    Args:
        engine: Runs the model of the sweep.
        vectors: Whole, by digest.

    The function raises `CallerError(vector_missing)` for a vector that was not given, and whatever
    the engine refuses.
    """
    resident: dict[tuple[str, tuple[int, ...]], str] = {}

    def dose_of(setting: Setting) -> Dose:
        vector = setting.vector
        if vector is None or not setting.steers:
            return UNSTEERED
        if vector.digest not in vectors:
            raise CallerError(
                f"the sweep steers with {vector.name!r} ({vector.digest}), which was not given: "
                "name its file with --vector",
                code="vector_missing",
                param="vector",
            )
        place = (vector.digest, setting.layers)
        if place not in resident:
            resident[place] = engine.load(vectors[vector.digest].restricted(setting.layers))
        return Dose(((resident[place], setting.alpha),), vector.scope, vector.schedule)

    return dose_of
