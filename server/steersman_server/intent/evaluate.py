"""What labelled turns say about a classifier: right answers, abstentions, calibration."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .bounds import CONTEXT_TURNS, cut, cut_context
from .card import Bin, Measured, SourceShare
from .contract import Intent, IntentClassifier
from .examples import Example
from .user_turn import UserTurn

BINS = 10
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An example with what the classifier said."""

    example: Example
    intent: Intent


def measure(
    classifier: IntentClassifier,
    examples: Sequence[Example],
    data_sha256: str,
    *,
    progress: Progress = silent,
) -> Measured:
    """Returns the figures of a classifier on labelled turns, and closes it; runs its own loop."""
    judged = asyncio.run(judge(classifier, examples, progress))
    return figures(judged, classifier.safety_labels, data_sha256)


async def judge(
    classifier: IntentClassifier, examples: Sequence[Example], progress: Progress
) -> list[Judged]:
    """Returns what the classifier says of each example, one after the other."""
    judged: list[Judged] = []
    for example in examples:
        turn = turn_of(example.text, example.context)
        judged.append(Judged(example, await classifier.classify(turn)))
        progress(len(judged), len(examples))
    await classifier.aclose()
    return judged


async def ask_and_close(classifier: IntentClassifier, turn: UserTurn) -> Intent:
    """Returns the intent of one turn; the classifier is not used afterwards."""
    intent = await classifier.classify(turn)
    await classifier.aclose()
    return intent


def turn_of(text: str, context: Sequence[str]) -> UserTurn:
    """Returns the turn as admission would see it."""
    return UserTurn(cut(text), tuple(cut_context(each) for each in context[-CONTEXT_TURNS:]))


def figures(judged: Sequence[Judged], safety: frozenset[str], data_sha256: str) -> Measured:
    """Returns the figures of what was judged."""
    inside = [each for each in judged if each.example.label is not None]
    outside = [each for each in judged if each.example.label is None]
    answered = [each for each in inside if each.intent.label is not None]
    alarms = [each for each in judged if each.intent.label in safety]
    unsafe = [each for each in judged if each.example.label in safety]
    bins = _bins(inside)
    return Measured(
        texts=len(judged),
        data_sha256=data_sha256,
        accuracy=share([_best_is_right(each) for each in inside]),
        macro_f1=_macro_f1(inside),
        answered=share([each.intent.label is not None for each in inside]),
        answered_accuracy=share([each.intent.label == each.example.label for each in answered]),
        abstained_outside=share([each.intent.label is None for each in outside]),
        safety_recall=share([each.intent.label in safety for each in unsafe]),
        safety_precision=share([each.example.label in safety for each in alarms]),
        confusion=_confusion(judged),
        calibration_error=_error(bins),
        bins=bins,
        sources=_sources(judged),
    )


def share(hits: Sequence[bool]) -> float | None:
    """Returns the share of True, to four digits; None of nothing."""
    return round(sum(hits) / len(hits), 4) if hits else None


def _best_is_right(each: Judged) -> bool:
    return each.intent.best == each.example.label


def _confusion(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for each in judged:
        counts.setdefault(each.example.label or "", Counter())[each.intent.label or ""] += 1
    return {row: dict(sorted(cells.items())) for row, cells in sorted(counts.items())}


def _macro_f1(inside: Sequence[Judged]) -> float | None:
    """Returns the mean over labels of F1 of the best label."""
    scores = []
    for label in sorted({each.example.label or "" for each in inside}):
        said = [each for each in inside if each.intent.best == label]
        meant = sum(each.example.label == label for each in inside)
        hits = sum(each.example.label == label for each in said)
        scores.append(2 * hits / (len(said) + meant))
    return round(float(np.mean(scores)), 4) if scores else None


def _bins(inside: Sequence[Judged]) -> tuple[Bin, ...]:
    groups: list[list[Judged]] = [[] for _ in range(BINS)]
    for each in inside:
        groups[min(BINS - 1, int(each.intent.score * BINS))].append(each)
    return tuple(
        Bin(
            low=index / BINS,
            high=(index + 1) / BINS,
            count=len(group),
            score=round(float(np.mean([e.intent.score for e in group])), 4) if group else None,
            accuracy=share([_best_is_right(each) for each in group]),
        )
        for index, group in enumerate(groups)
    )


def _error(bins: Sequence[Bin]) -> float | None:
    count = sum(each.count for each in bins)
    gaps = [
        each.count * abs(each.score - each.accuracy)
        for each in bins
        if each.score is not None and each.accuracy is not None
    ]
    return round(sum(gaps) / count, 4) if count else None


def _sources(judged: Sequence[Judged]) -> dict[str, SourceShare]:
    """Returns how many are right by source: the label given, none for those without one."""
    groups: dict[str, list[bool]] = {}
    for each in judged:
        hit = each.intent.label == each.example.label
        groups.setdefault(each.example.source, []).append(hit)
    return {
        name: SourceShare(texts=len(hits), right=share(hits) or 0.0)
        for name, hits in sorted(groups.items())
    }
