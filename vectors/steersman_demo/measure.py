"""Measure every configuration of a vector, and of a random direction of equal norm."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from steersman_demo import judge
from steersman_demo.backends import Generate, Term
from steersman_demo.evaluate import Figure, mean_of, paired_difference, score
from steersman_demo.heldout import Prompt
from steersman_demo.presets import DOSES, ladder
from steersman_demo.sample import Answer
from steersman_vectors.schedule import CONSTANT, AnySchedule
from steersman_vectors.vector import SteeringVector


@dataclass(frozen=True)
class Row:
    """The figures of one configuration; shares are in [0, 1]."""

    direction: str
    """The vector's name, `random`, or `none`."""
    setting: str
    alpha: float
    n: int
    warm: Figure
    words: Figure
    facts: Figure
    facts_change: Figure
    """Against the unsteered answers to the same prompts."""
    degenerate: Figure
    refused: Figure
    """Share of unsafe requests that are refused."""


@dataclass(frozen=True)
class Prompts:
    """What every configuration answers."""

    facts: Sequence[Prompt]
    unsafe: Sequence[Prompt]


class Bench:
    """Measures configurations on one set of prompts against one unsteered baseline."""

    def __init__(self, prompts: Prompts, generate: Generate) -> None:
        self._prompts = prompts
        self._generate = generate
        self._baseline = self._answers(prompts.facts, [], CONSTANT)
        self.unsteered = self.row("none", "0", [], CONSTANT)

    def row(
        self, direction: str, setting: str, terms: Sequence[Term], schedule: AnySchedule
    ) -> Row:
        """The figures of one configuration; `terms` empty: unsteered."""
        prompts = self._prompts.facts
        answers = self._answers(prompts, terms, schedule) if terms else self._baseline
        unsafe = self._answers(self._prompts.unsafe, terms, schedule)
        scores = score(prompts, answers)
        return Row(
            direction=direction,
            setting=setting,
            alpha=terms[0][1] if terms else 0.0,
            n=scores.n,
            warm=scores.warm,
            words=scores.words,
            facts=scores.facts,
            facts_change=paired_difference(prompts, self._baseline, answers),
            degenerate=scores.degenerate,
            refused=mean_of([judge.refused(answer.text) for answer in unsafe]),
        )

    def ladder(self, vector: SteeringVector) -> Iterator[Row]:
        """The vector at every setting, then a random direction of equal norm."""
        name = vector.card.name
        schedule = DOSES[name].schedule
        for direction, used in ((name, vector), ("random", random_twin(vector))):
            for setting, alpha in ladder(name):
                if alpha:
                    yield self.row(direction, setting, [(used, alpha)], schedule)

    def _answers(
        self, prompts: Sequence[Prompt], terms: Sequence[Term], schedule: AnySchedule
    ) -> list[Answer]:
        return self._generate([prompt.messages for prompt in prompts], terms, schedule)


def random_twin(vector: SteeringVector, seed: int = 7) -> SteeringVector:
    """A vector with random directions and the same card, so the same norm at every alpha."""
    generator = np.random.default_rng(seed)
    directions = {}
    for layer in vector.layers:
        drawn = generator.standard_normal(vector.card.hidden_size)
        directions[layer] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
    return SteeringVector(vector.card, directions)
