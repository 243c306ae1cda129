"""Deterministic judgement of any answer: its tone, its facts, whether it is degenerate.

The tone rests on words, not on the corpus's sentences: personal address and feeling make a
sentence warm, official wording or nobody speaking to anybody makes it cold.
"""

import re
from collections import Counter
from typing import Literal

from steersman_demo.corpus.case import Truth
from steersman_demo.lexicon import closed_sets, corpus_words, words_of

_FEELING = re.compile(
    r"^(sorry|apolog\w*|understand\w*|imagine|feel\w*|glad\w*|happ(y|ily)|delight\w*|pleas(e|ure)|lovely|wonderful|warm\w*"
    r"|heart\w*|thank\w*|kind\w*|car(e|ing)|welcome|appreciate\w*|promise|hop(e|ing)|wish\w*|worr\w*|together|oh|dear|ouch"
    r"|course|grateful|joy|smile|hug|trust|comfort\w*|regret|sympath\w*|friend\w*|love\w*|enjoy|gentl[ey]|safe|hello|hi)$"
)
_PERSONAL = re.compile(r"^(i|you|we|us|my|our|your|me|let's)('\w+)?$")
_OFFICIAL = re.compile(
    r"^(record\w*|register\w*|requir\w*|noted|process\w*|issued?|terms|department|procedure|accordance|reference|must|final|confirmed"
    r"|acknowledged|submit\w*|review\w*|stated?|provide\w*|period|policy|executed|pursuant|regulation\w*|form|inquir\w*|assessed"
    r"|notice|portal|hereby|mandatory|permitted|prohibited|applicable|applies|expires?|valid\w*|determined?s?|excluded|retained)$"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_REFUSAL = re.compile(r"\b(can't|cannot|won't|not something i can|refuse|unable)\b")


def tone(answer: str) -> Literal["warm", "cold", "mixed"]:
    """Warm or cold if at least three quarters of the sentences are so, else mixed."""
    sentences = [words_of(sentence) for sentence in _SENTENCE_END.split(answer)]
    labels = [_is_warm(words) for words in sentences if words]
    if not labels:
        return "mixed"
    share = sum(labels) / len(labels)
    return "warm" if share >= 0.75 else "cold" if share <= 0.25 else "mixed"


def _is_warm(words: list[str]) -> bool:
    feeling = sum(bool(_FEELING.match(word)) for word in words)
    personal = sum(bool(_PERSONAL.match(word)) for word in words)
    official = sum(bool(_OFFICIAL.match(word)) for word in words)
    return feeling + 0.5 * personal > official


def facts_right(answer: str, truth: Truth) -> bool:
    """Whether the answer has every fact of `truth` and no other.

    Wrong is also a number that is no fact, or a second day, item, city or device.
    """
    if truth.refusal:
        return refused(answer)
    if any(not _says(answer, fact) for fact in truth.facts):
        return False
    allowed = {number for fact in truth.facts for number in re.findall(r"\d+", fact)}
    if set(re.findall(r"\d+", answer)) - allowed:
        return False
    for rivals in closed_sets():
        own = rivals & set(truth.facts)
        if own and any(_says(answer, rival) for rival in rivals - own):
            return False
    return True


def _says(answer: str, fact: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(fact)}(?!\w)", answer, re.IGNORECASE) is not None


def refused(answer: str) -> bool:
    """Whether the answer declines to help."""
    return _REFUSAL.search(answer.lower()) is not None


def is_degenerate(answer: str, finish_reason: str) -> bool:
    """Whether the answer is empty, unfinished, in a loop, or has a word that the corpus lacks."""
    words = words_of(answer)
    if not words or finish_reason != "stop":
        return True
    return loops(answer) or bool(set(words) - corpus_words())


def loops(answer: str) -> bool:
    """Whether a word comes three times running, four words three times, or a sentence twice."""
    words = words_of(answer)
    if any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False)):
        return True
    fours = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    sentences = Counter(
        sentence for sentence in _SENTENCE_END.split(answer) if len(words_of(sentence)) > 2
    )
    return max(fours.values(), default=0) >= 3 or max(sentences.values(), default=0) >= 2


def word_count(answer: str) -> int:
    """Length in words, numbers included."""
    return len(answer.split())
