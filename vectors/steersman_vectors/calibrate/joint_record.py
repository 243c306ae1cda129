"""What a joint calibration found: which presets of two vectors go together."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from .record import Estimate, Gate, MeasureTold


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Side(_Frozen):
    """One of the two vectors."""

    name: str
    digest: str
    """As it was given."""
    behaviour: str
    """The measure that its dial is for."""
    toward: Literal["higher", "lower"]


class Together(_Frozen):
    """Two presets at once, on one half of the prompts."""

    figures: dict[str, Estimate]
    changes: dict[str, Estimate]
    """Against unsteered, paired."""
    against_alone: dict[str, Estimate]
    """By vector: its behaviour against the same preset alone, paired and turned so that below 0 is
    a loss: the interference of the other."""
    failed: tuple[str, ...]
    """Measures of the gates that it does not pass, and behaviours that it does not show."""


class Combination(_Frozen):
    """Two presets, and whether they go together."""

    presets: tuple[str, str]
    alphas: tuple[float, float]
    calibration: Together
    heldout: Together | None
    """None where the calibration half ruled it out."""
    safe: bool
    """Passes all gates and shows both behaviours, on both halves."""


class Joint(_Frozen):
    """All of it; one JSON file beside the vector."""

    vectors: tuple[Side, Side]
    fingerprint: str
    cosines: dict[int, float]
    """Of the two directions, at the layers that both steer."""
    measures: dict[str, MeasureTold]
    gates: tuple[Gate, ...]
    prompts: dict[str, int]
    temperature: float
    seed: int
    combinations: tuple[Combination, ...]
    seconds: float
    machine: str

    @property
    def safe(self) -> tuple[Combination, ...]:
        """Returns the combinations that go together."""
        return tuple(each for each in self.combinations if each.safe)
