"""A report on pairs before a vector is made of them: what is there, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import leakage, lengths, sides
from .duplicates import Dropped, Numbered
from .finding import SEVERITIES, Finding, finding
from .lengths import Lengths
from .pair import Split
from .read import Pairs
from .split import DEFAULT_SHARES, SPLITS, Shares, split_of

ENOUGH: dict[Split, int] = {"train": 20, "calibration": 10, "heldout": 10}
"""Examples a side below which a split says little."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `steersman pairs check` shows."""

    paired: bool
    lines: int
    """That are kept."""
    positive: dict[Split, int]
    """Positive examples in each split."""
    negative: dict[Split, int]
    lengths: Lengths
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    """The severest first."""
    data_hash: str


def check(pairs: Pairs, shares: Shares = DEFAULT_SHARES) -> Report:
    """Returns the report; pure."""
    splits = [split_of(each.line, shares) for each in pairs.lines]
    positive = _counts(pairs.lines, splits, "positive")
    negative = _counts(pairs.lines, splits, "negative")
    measured = lengths.measure(pairs.lines)
    found = [
        *_too_few(positive, negative, shares),
        *_answers(pairs.lines),
        *_dropped(pairs.dropped),
        *_ids(pairs.lines),
        *sides.balance(pairs.lines),
        *sides.conflicts(pairs.lines),
        *sides.alike(pairs.lines),
        *lengths.findings(measured, sum(positive.values()) + sum(negative.values())),
        *leakage.findings(pairs.lines, splits),
        *sides.topics(pairs.lines),
        *sides.languages(pairs.lines),
    ]
    return Report(
        paired=pairs.paired,
        lines=len(pairs.lines),
        positive=positive,
        negative=negative,
        lengths=measured,
        dropped=pairs.dropped,
        findings=tuple(sorted(found, key=lambda each: SEVERITIES.index(each.severity))),
        data_hash=pairs.data_hash,
    )


def _counts(lines: Sequence[Numbered], splits: Sequence[Split], side: str) -> dict[Split, int]:
    counted = Counter(
        split
        for each, split in zip(lines, splits, strict=True)
        if getattr(each.line, side) is not None
    )
    return {split: counted[split] for split in SPLITS}


def _too_few(
    positive: dict[Split, int], negative: dict[Split, int], shares: Shares
) -> Iterator[Finding]:
    for split in SPLITS:
        share = getattr(shares, split)
        have = min(positive[split], negative[split])
        if share == 0 or have >= ENOUGH[split]:
            continue
        empty = have == 0 and split == "train"
        yield finding(
            "error" if empty else "warning",
            "split_empty" if have == 0 else "split_small",
            f"{split} has {positive[split]} positive and {negative[split]} negative examples, "
            f"expected {ENOUGH[split]} of each",
            "add lines (`steersman pairs generate` writes them), or extract with --split none, "
            "which uses every line and leaves nothing to confirm with",
        )


def _answers(lines: Sequence[Numbered]) -> Iterator[Finding]:
    without = [n.number for n in lines if any(side.answer is None for side in n.line.sides)]
    if without and len(without) < len(lines):
        yield finding(
            "warning", "answers_missing", f"{len(without)} of {len(lines)} lines have no answer",
            "give every line an answer, or none: only the end of the prompt can be read of all",
            without,
        )  # fmt: skip


def _dropped(dropped: Sequence[Dropped]) -> Iterator[Finding]:
    for how in ("exact", "near"):
        numbers = [each.number for each in dropped if each.how == how]
        if numbers:
            yield finding(
                "note", f"duplicates_{how}",
                f"{len(numbers)} lines {'repeat' if how == 'exact' else 'nearly repeat'} an "
                "earlier one and are passed over",
                "remove them from the file; nothing else depends on it",
                numbers,
            )  # fmt: skip


def _ids(lines: Sequence[Numbered]) -> Iterator[Finding]:
    named = [each for each in lines if each.line.id is not None]
    times = Counter(each.line.id for each in named)
    numbers = [each.number for each in named if times[each.line.id] > 1]
    if numbers:
        yield finding(
            "note", "ids_repeated", f"{len(numbers)} lines share their id with another",
            "give each its own; the toolchain goes by what lines say, people by ids",
            numbers,
        )  # fmt: skip
