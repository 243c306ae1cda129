"""What to extract and how, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..layer_metrics.measures import LayerMeasures
from ..pairs.pair import Contrast, Example, Split
from ..recipe.data_file import DataFile
from ..scale import Scale
from ..vector import SteeringVector
from .contract import Dtype
from .methods.contract import MethodName, Options
from .reading import Position

SplitChoice = Split | Literal["none"]


@dataclass(frozen=True, slots=True)
class Order:
    """What to extract, and how."""

    model_dir: Path
    contrast: Contrast
    name: str
    method: MethodName = "mean"
    position: Position = "last"
    layers: str = "all"
    """A rule of `layer_sets`."""
    scale: Scale = "residual"
    split: SplitChoice = "train"
    """Which examples are used; `none`: all of them."""
    backend: str = "hf"
    dtype: Dtype = "auto"
    batch_tokens: int = 4096
    options: Options = field(default_factory=Options)
    skip_too_long: bool = False
    measured: bool = True
    """Whether the layer metrics are computed."""
    description: str = ""
    """What the vector is for; with `license`, what people are told on the card."""
    license: str = ""
    command: str = ""
    """What makes the vector again, for the card."""
    data: Mapping[str, DataFile] = field(default_factory=dict)
    """The files that the contrast was read from, for the recipe: `pairs`, or `positive` and
    `negative`."""
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Of the contrast's splits; for the recipe."""
    keep_near: bool = False
    """Whether near duplicates are in the contrast; for the recipe."""
    lines: Mapping[Example, int] = field(default_factory=dict)
    """Where examples stand in their file, for messages."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What reading the states took."""

    tokens: int
    """Of all examples."""
    resumed_tokens: int
    """Of those, already there from a pass before."""
    seconds: float
    """Of reading the rest, without loading the model."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """The vector, and what people are told about it."""

    vector: SteeringVector
    measures: tuple[LayerMeasures, ...]
    """Per layer; empty when they were not wanted."""
    try_first: int
    passed: Passed
    positive: int
    negative: int
    skipped: int
    states: Path
    """The folder that holds the states; for other methods, or to be removed."""


def examples_of(
    contrast: Contrast, split: SplitChoice
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Returns the examples of both sides in that split; `none`: all of them."""
    if split == "none":
        return contrast.positive, contrast.negative
    sides = (
        (contrast.positive, contrast.positive_splits),
        (contrast.negative, contrast.negative_splits),
    )
    positive, negative = (
        tuple(e for e, of in zip(examples, splits, strict=True) if of == split)
        for examples, splits in sides
    )
    return positive, negative
