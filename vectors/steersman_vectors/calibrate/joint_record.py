"""What a joint calibration found: which presets of several vectors go together."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from .record import Estimate, Gate, MeasureTold


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Side(_Frozen):
    """One of the vectors."""

    name: str
    digest: str
    """As it was given."""
    behaviour: str
    """The measure that its dial is for."""
    toward: Literal["higher", "lower"]


class Cosines(_Frozen):
    """How alike the directions of two of the vectors are."""

    vectors: tuple[str, str]
    layers: dict[int, float]
    """At the layers that both steer."""


class Together(_Frozen):
    """Presets at once, on one half of the prompts."""

    figures: dict[str, Estimate]
    changes: dict[str, Estimate]
    """Against unsteered, paired."""
    against_alone: dict[str, Estimate]
    """By vector: its behaviour against the same preset alone, paired and turned so that below 0 is
    a loss: the interference of the others."""
    failed: tuple[str, ...]
    """Measures of the gates that it does not pass, and behaviours that it does not show."""


class Combination(_Frozen):
    """A preset of each of two vectors, or of all, and whether they go together."""

    presets: dict[str, str]
    """By vector."""
    alphas: dict[str, float]
    calibration: Together
    heldout: Together | None
    """None where the calibration half ruled it out."""
    safe: bool
    """Passes all gates and shows every behaviour, on both halves."""

    @property
    def seen(self) -> Together:
        """Returns what is to be believed: the held-out half where it was measured."""
        return self.heldout or self.calibration


class Interference(_Frozen):
    """What one vector loses at worst by another beside it."""

    vector: str
    beside: str
    presets: dict[str, str]
    """Those at which it loses most, by vector."""
    against_alone: Estimate


class Joint(_Frozen):
    """All of it; one JSON file beside the first vector."""

    vectors: tuple[Side, ...]
    fingerprint: str
    cosines: tuple[Cosines, ...]
    """Of every two vectors."""
    measures: dict[str, MeasureTold]
    gates: tuple[Gate, ...]
    prompts: dict[str, int]
    temperature: float
    seed: int
    combinations: tuple[Combination, ...]
    """Of every two vectors; then of all, where there are more."""
    whole: bool
    """Whether all presets of all vectors were tried with each other; else equal levels only."""
    options: str | None = None
    """Digest of the options that it was found under (`Order.options`)."""
    seconds: float
    machine: str

    @property
    def safe(self) -> tuple[Combination, ...]:
        """Returns the combinations that go together."""
        return tuple(each for each in self.combinations if each.safe)

    def of(self, names: frozenset[str]) -> tuple[Combination, ...]:
        """Returns the combinations of exactly these vectors."""
        return tuple(each for each in self.combinations if frozenset(each.presets) == names)

    @property
    def interference(self) -> tuple[Interference, ...]:
        """Returns the matrix: each vector beside each other one, at the pair that costs it most."""
        names = [side.name for side in self.vectors]
        found = []
        for vector in names:
            for beside in names:
                pairs = [
                    (each.seen.against_alone[vector], each.presets)
                    for each in self.of(frozenset((vector, beside)))
                    if vector != beside and vector in each.seen.against_alone
                ]
                if pairs:
                    worst, presets = min(pairs, key=lambda pair: pair[0].value)
                    found.append(
                        Interference(
                            vector=vector, beside=beside, presets=presets, against_alone=worst
                        )
                    )
        return tuple(found)
