"""What is wrong between the two sides: their size, labels, topics, languages, likeness."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from ..quality.languages import COMMON, language_of, words_of
from ..quality.scripts import letters_by_script
from ..quality.units import split_words
from .duplicates import Numbered
from .finding import Finding, finding
from .fold import fold_case
from .lengths import contrasted
from .pair import Example

UNBALANCED = 1.5
"""Times as many of one label as of the other."""
FEW_LETTERS, FEW_WORDS = 8, 3
"""Letters and words that speak for a language, before a text has a script or a language."""
SHARE_OTHER = 0.05
"""Of texts in another language than most, from which a file mixes languages."""
TOPIC_TEXTS, TOPIC_P = 5, 0.01
"""Texts that a word must be in to be a topic; how rarely chance may find any word at all."""
MAX_TOPICS = 8


def balance(lines: Sequence[Numbered]) -> Iterator[Finding]:
    """Yields that one label is much rarer than the other."""
    n = sum(each.line.positive is not None for each in lines)
    m = sum(each.line.negative is not None for each in lines)
    if max(n, m) > UNBALANCED * min(n, m):
        rarer = "positive" if n < m else "negative"
        yield finding(
            "warning", "class_imbalance", f"{n} positive and {m} negative examples",
            f"add {rarer} examples, or drop some of the others",
        )  # fmt: skip


def conflicts(lines: Sequence[Numbered]) -> Iterator[Finding]:
    """Yields that one text stands on both sides, in different lines."""
    of = contrasted(lines)
    found: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for each in lines:
        for positive, side in ((True, each.line.positive), (False, each.line.negative)):
            if side is not None:
                found[positive].setdefault(_text(side, of), each.number)
    both = [(found[True][text], found[False][text]) for text in found[True] if text in found[False]]
    if both:
        one, other = both[0]
        yield finding(
            "error",
            "label_conflict",
            f"{len(both)} {of} stand on both sides: what is positive in line {one} is negative in "
            f"line {other}",
            "decide for one side; equal texts cancel each other out",
            sorted({number for pair in both for number in pair}),
        )


def alike(lines: Sequence[Numbered]) -> Iterator[Finding]:
    """Yields pairs whose answers differ in nothing but punctuation, or in where they end."""
    punctuation, ends = [], []
    for each in lines:
        if each.line.form != "answers" or not each.line.positive or not each.line.negative:
            continue
        one, other = (split_words(fold_case(s.answer or "")) for s in each.line.sides)
        if one == other and one:
            punctuation.append(each.number)
        elif one and other and (one[: len(other)] == other or other[: len(one)] == one):
            ends.append(each.number)
    if punctuation:
        yield finding(
            "warning", "only_punctuation",
            f"{len(punctuation)} pairs differ in nothing but punctuation or capitals",
            "write answers that differ in the behaviour, or drop the lines", punctuation,
        )  # fmt: skip
    if ends:
        yield finding(
            "warning", "only_length",
            f"in {len(ends)} pairs one answer is how the other begins: they differ in length alone",
            "write answers that differ in the behaviour, or drop the lines", ends,
        )  # fmt: skip


def languages(lines: Sequence[Numbered]) -> Iterator[Finding]:
    """Yields pairs whose sides are in two languages or scripts, and files that mix several."""
    of = contrasted(lines)
    across, counted = [], Counter[str]()
    for each in lines:
        told = [_tongue(_text(side, of)) for side in each.line.sides]
        counted.update(tongue for tongue in told if tongue is not None)
        if len(set(told)) == 2 and None not in told:
            across.append(each.number)
    if across:
        yield finding(
            "warning", "language_differs",
            f"in {len(across)} pairs the two sides are in different languages or scripts",
            "write both sides in one language, unless language is the behaviour", across,
        )  # fmt: skip
    others = counted.total() - max(counted.values(), default=0)
    if others > SHARE_OTHER * counted.total():
        shown = ", ".join(f"{name} {count}" for name, count in counted.most_common(6))
        yield finding(
            "note", "languages_mixed", f"texts are in several languages or scripts: {shown}",
            "make one vector for each language if they are used apart",
        )  # fmt: skip


def topics(lines: Sequence[Numbered]) -> Iterator[Finding]:
    """Yields words of the prompts that stand on one side of a labelled set far more than chance."""
    if lines[0].line.form != "set":
        return
    counts, sizes = (Counter[str](), Counter[str]()), [0, 0]
    for each in lines:
        (side,) = each.line.sides
        at = 0 if each.line.positive is not None else 1
        sizes[at] += 1
        said = " ".join(m.content for m in side.prompt if m.role != "system")
        counts[at].update(set(words_of(said)) - COMMON)
    skewed = skewed_words(counts[0], counts[1], sizes[0], sizes[1])
    if not skewed:
        return
    in_prompts = contrasted(lines) == "prompts"
    shown = ", ".join(f"{w!r} {counts[0][w]} : {counts[1][w]}" for w in skewed[:MAX_TOPICS])
    yield finding(
        "note" if in_prompts else "warning",
        "topic_skew",
        f"{len(skewed)} words are in the prompts of one side more than chance has it "
        f"(positive : negative): {shown}",
        "make sure that they belong to the behaviour, else ask about the same topics on both sides"
        if in_prompts
        else "ask the same questions on both sides, so that only the answers differ",
    )


def skewed_words(positive: Counter[str], negative: Counter[str], n: int, m: int) -> list[str]:
    """Returns words whose shares of texts differ, by a pooled z-test with Bonferroni's correction.

    z = (a/n - b/m) / sqrt(p (1 - p) (1/n + 1/m)), p = (a + b) / (n + m); the most unequal first.
    """
    tested = [w for w in positive | negative if positive[w] + negative[w] >= TOPIC_TEXTS]
    if not tested:
        return []
    limit = NormalDist().inv_cdf(1 - TOPIC_P / (2 * len(tested)))
    scores = {}
    for word in tested:
        a, b = positive[word], negative[word]
        p = (a + b) / (n + m)
        spread = math.sqrt(p * (1 - p) * (1 / n + 1 / m))
        scores[word] = abs(a / n - b / m) / spread if spread else 0.0
    return sorted((w for w in tested if scores[w] > limit), key=lambda w: (-scores[w], w))


def _text(side: Example, of: str) -> str:
    if of == "answers":
        return fold_case(side.answer or "")
    return fold_case(" ".join(m.content for m in side.prompt))


def _tongue(text: str) -> str | None:
    letters = letters_by_script(text)
    if letters.total() < FEW_LETTERS:
        return None
    script = letters.most_common(1)[0][0]
    return script if script != "latin" else language_of(words_of(text), FEW_WORDS)
