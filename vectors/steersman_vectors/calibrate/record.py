"""What a calibration found: all that the report draws, and what the card keeps a summary of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..card import Scope
from ..schedule import AnySchedule


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Frozen):
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    """Answers that it rests on."""


class MeasureTold(_Frozen):
    """One judge's scale, as axes and tables need it."""

    better: Literal["higher", "lower", "neither"]
    unit: str
    low: float | None
    high: float | None
    """The scale's ends; None where it has none."""


class Gate(_Frozen):
    """What a setting must keep to be offered: the bound is held by the interval's worse end."""

    measure: str
    compared: Literal["absolute", "change"]
    """`change`: against the unsteered answers to the same prompts, paired."""
    at_most: float | None = None
    at_least: float | None = None


class Point(_Frozen):
    """One setting, measured on the calibration split."""

    layers: tuple[int, ...]
    layer_set: str
    """The rule that names them, such as `sparse:5`."""
    alpha: float
    figures: dict[str, Estimate]
    """By measure."""
    changes: dict[str, Estimate]
    """Of each measure, against unsteered, paired."""
    failed: tuple[str, ...]
    """Measures of the gates that it does not pass."""


class ChosenPreset(_Frozen):
    """A preset, and whether the held-out split confirms it."""

    alpha: float
    calibration: Point
    heldout: Point
    confirmed: bool
    """Whether it passes the gates on the held-out split too and shows the behaviour there; else it
    is not on the card."""
    why_not: str = ""
    """Why it is not confirmed, in words."""


class Prompted(_Frozen):
    """The same behaviour by prompting alone, unsteered, on the held-out split."""

    system_prompt: str
    figures: dict[str, Estimate]
    changes: dict[str, Estimate]


class ExampleAnswer(_Frozen):
    """One answer along the dial."""

    prompt: str
    alpha: float
    text: str


class Calibration(_Frozen):
    """All of it; one JSON file beside the vector."""

    vector: str
    vector_digest: str
    """Of the vector that was calibrated, before its presets were written."""
    fingerprint: str
    behaviour: str
    """The measure that the dial is for."""
    measures: dict[str, MeasureTold]
    gates: tuple[Gate, ...]
    scope: Scope
    schedule: AnySchedule
    temperature: float
    samples: int = 1
    """Answers to a prompt."""
    seed: int
    prompts: dict[str, int]
    """Number by split (`calibration`, `heldout`), and of other sets such as `heldout:facts`."""
    unsteered: dict[str, Estimate]
    """Held-out split."""
    curve: tuple[Point, ...]
    presets: dict[str, ChosenPreset]
    alpha_max: float | None
    """The largest alpha before coherence falls off its cliff; None where no setting passed."""
    prompted: tuple[Prompted, ...]
    examples: tuple[ExampleAnswer, ...]
    toward: Literal["higher", "lower"] = "higher"
    """Which way of the behaviour's measure the dial goes."""
    layer_set: str | None = None
    """The rule of the chosen layer set; None where none passed."""
    cliff_seen: bool = False
    """Whether coherence broke at a larger alpha than `alpha_max`; else the search ended there."""
    why_none: str | None = None
    """Why there are no presets, where there are none."""
    options: str | None = None
    """Digest of the options that it was found under (`Order.options`)."""
    seconds: float
    machine: str
