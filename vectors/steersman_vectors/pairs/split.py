"""Which lines are trained on, which calibrate and which confirm: by a stable hash of each alone.

So a line stays in its split whatever else is in the file, wherever it stands, and in every version
of the file; adding lines never moves one from `heldout` into `train`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import get_args

from ..errors import CallerError
from .identity import split_key
from .line import Line
from .pair import Contrast, Example, Split
from .read import Pairs

SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class Shares:
    """Of each split, of all that could be read; they sum to 1. Raises `CallerError`."""

    train: float = 0.6
    calibration: float = 0.2
    heldout: float = 0.2

    def __post_init__(self) -> None:
        given = (self.train, self.calibration, self.heldout)
        if not all(0 <= share <= 1 for share in given) or abs(sum(given) - 1) > 1e-6:
            raise CallerError(
                f"shares of the splits: got {given}, expected three numbers from 0 to 1 that sum "
                "to 1, such as 0.6,0.2,0.2",
                code="invalid_option",
                param="shares",
            )


DEFAULT_SHARES = Shares()


def split_of(line: Line, shares: Shares = DEFAULT_SHARES) -> Split:
    """Returns the split of a line: the part of [0, 1) that its key's hash falls into."""
    digest = hashlib.sha256(split_key(line).encode()).digest()
    point = int.from_bytes(digest[:7]) / 2**56
    if point < shares.train:
        return "train"
    return "calibration" if point < 1 - shares.heldout else "heldout"


def contrast_of(pairs: Pairs, shares: Shares = DEFAULT_SHARES) -> Contrast:
    """Returns the two sides of what was read, with the split of each example."""
    positive: list[tuple[Example, Split]] = []
    negative: list[tuple[Example, Split]] = []
    for each in pairs.lines:
        split = split_of(each.line, shares)
        if each.line.positive is not None:
            positive.append((each.line.positive, split))
        if each.line.negative is not None:
            negative.append((each.line.negative, split))
    return Contrast(
        positive=tuple(example for example, _ in positive),
        negative=tuple(example for example, _ in negative),
        paired=pairs.paired,
        positive_splits=tuple(split for _, split in positive),
        negative_splits=tuple(split for _, split in negative),
        data_hash=pairs.data_hash,
    )
