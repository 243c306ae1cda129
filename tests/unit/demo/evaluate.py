"""Figures about a set of answers, with standard errors."""

from collections.abc import Sequence
from dataclasses import dataclass

from steersman_demo import judge
from steersman_demo.heldout import Prompt
from steersman_demo.sample import Answer


@dataclass(frozen=True)
class Figure:
    """A mean and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.3f}±{self.error:.3f}"


@dataclass(frozen=True)
class Scores:
    """One configuration's figures; shares are in [0, 1]."""

    n: int
    warm: Figure
    words: Figure
    facts: Figure
    degenerate: Figure


def mean_of(values: Sequence[float]) -> Figure:
    """Mean and standard error (sample standard deviation / sqrt n)."""
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / max(1, n - 1)
    return Figure(mean, (variance / n) ** 0.5)


def score(prompts: Sequence[Prompt], answers: Sequence[Answer]) -> Scores:
    """Judge every answer against its prompt."""
    pairs = list(zip(prompts, answers, strict=True))
    return Scores(
        n=len(pairs),
        warm=mean_of([judge.tone(answer.text) == "warm" for _, answer in pairs]),
        words=mean_of([judge.word_count(answer.text) for _, answer in pairs]),
        facts=mean_of([judge.facts_right(answer.text, prompt.truth) for prompt, answer in pairs]),
        degenerate=mean_of(
            [judge.is_degenerate(answer.text, answer.finish_reason) for _, answer in pairs]
        ),
    )
