"""The two sides of a contrast, as the toolchain works on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..message import Message

Split = Literal["train", "calibration", "heldout"]


@dataclass(frozen=True, slots=True)
class Example:
    """One side of a pair, or one member of a set of prompts."""

    prompt: tuple[Message, ...]
    """Ends with a user turn."""
    answer: str | None = None
    """The assistant's answer to it; None where the contrast is in the prompts alone."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Examples that show the behaviour and examples that show its opposite.

    paired: `positive[i]` and `negative[i]` differ in the behaviour alone, so their difference means
    something; else only the two sets do, and they may differ in size.
    """

    positive: tuple[Example, ...]
    negative: tuple[Example, ...]
    paired: bool
    positive_splits: tuple[Split, ...]
    """Of each positive example; a pair is whole in one split."""
    negative_splits: tuple[Split, ...]
    data_hash: str
    """sha256 of what was read, whatever its order: `sha256:...`."""
