"""The card of a trained classifier: what it was made from, and how well it does."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .config import Label, Score, Strict

CARD, HEAD = "card.json", "head.safetensors"
Share = Score


class Bin(Strict):
    """Held-out texts whose score lies between two bounds."""

    low: Share
    high: Share
    count: int
    score: Share | None
    """Their mean score; None where there are none."""
    accuracy: Share | None
    """The share of them whose best label is right."""


class SourceShare(Strict):
    """Texts of one source."""

    texts: int
    right: Share
    """Of them: the label given is theirs, or none was given and they have none."""


class Measured(Strict):
    """What a labelled file says about a classifier."""

    texts: int
    data_sha256: str
    accuracy: Share | None
    """Of texts with a label: the best label is right, whatever its score."""
    macro_f1: Share | None
    answered: Share | None
    """Of texts with a label: the score reached the threshold."""
    answered_accuracy: Share | None
    """Of those: the label is right."""
    abstained_outside: Share | None
    """Of texts without a label: the classifier abstained."""
    safety_recall: Share | None
    """Of texts with a safety label: they got a safety label, at the threshold."""
    safety_precision: Share | None
    """Of texts that got a safety label: they have one."""
    confusion: dict[str, dict[str, int]]
    """By label (empty: none), then by what was given (empty: abstained)."""
    calibration_error: Share | None
    """Expected: the mean gap between score and accuracy over ten bins, by their size."""
    bins: tuple[Bin, ...]
    sources: dict[str, SourceShare]


class EmbeddingRef(Strict):
    """Which embedding a head was trained on."""

    folder: str | None
    """Beside the card; None: the one that comes with Steersman."""
    model: str
    tokenizer: str
    """sha256 of its files."""


class IntentCard(Strict):
    """All that is known of a trained head."""

    format: Annotated[int, Field(ge=1, le=1)] = 1
    labels: tuple[Label, ...] = Field(min_length=2, max_length=256)
    safety_labels: tuple[Label, ...]
    has_other: bool
    """Whether texts without a label were a class of their own in training."""
    threshold: Score
    safety_threshold: Score
    """For safety labels, which are also looked for in each part of a long turn."""
    temperature: Annotated[float, Field(gt=0)]
    head_sha256: str
    embedding: EmbeddingRef
    training: dict[str, int]
    """How many texts of each label (empty: none) it was fitted on."""
    training_sha256: str
    held_out: Measured | None
    """On texts of phrasings that were not trained on; None where none were kept back."""
    made_by: str
