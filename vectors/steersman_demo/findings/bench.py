"""Answers of one engine under any vector, and what the judges say of each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from steersman_demo import heldout
from steersman_demo.findings.statistics import Values
from steersman_demo.judges import off_corpus, warm
from steersman_vectors.judges.contract import Judge, Judgeable
from steersman_vectors.judges.facts import facts_judge
from steersman_vectors.judges.findings import finding_judge
from steersman_vectors.judges.likelihood import DivergenceJudge
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import UNSTEERED, Answer, Ask, Dose, OfflineEngine
from steersman_vectors.sweep.engines import find_engine
from steersman_vectors.sweep.grid import seed_of
from steersman_vectors.sweep.prompts import SweepPrompt
from steersman_vectors.vector import SteeringVector

TEMPERATURE, MAX_TOKENS, MAX_LENGTH, AT_ONCE = 0.8, 160, 768, 64
SHORT = 28
"""Words: 94 of 100 concise answers of the corpus have no more, and 6 of 100 verbose ones."""
PROMPT_SEED = 11
"""Of the held-out prompts: neither the report's, nor those that the shipped doses were found on."""
Tell = Callable[[str, int, int], None]
"""Told what is done, how much of it, and how much there is."""


@dataclass(frozen=True)
class Steer:
    """A vector at an alpha, on every token of the answer and on the header token before it."""

    vector: SteeringVector
    alpha: float


@dataclass(frozen=True)
class Outcome:
    """What the judges say of one setting's answers, each `[prompts]` of 0 and 1."""

    warm: Values
    """Warm and not degenerate: words of sympathy in a heap are no warmth."""
    short: Values
    """At most `SHORT` words and not degenerate."""
    facts: Values
    degenerate: Values
    """By the demo's judge, which knows every word that an answer can have."""
    detected: Values
    """By the detectors that ship, which know no corpus."""

    def first(self, n: int) -> "Outcome":
        """Of the first `n` prompts alone."""
        return Outcome(**{field.name: getattr(self, field.name)[:n] for field in fields(self)})

    def behaviour(self, name: str) -> Values:
        """Whether each answer shows the behaviour."""
        return self.warm if name == "empathy" else self.short


class Bench:
    """Asks one engine about the same prompts with the same draws under every setting."""

    def __init__(self, engine: OfflineEngine, prompts: int, tell: Tell) -> None:
        self._engine, self._tell = engine, tell
        self.asked = 0
        """How many answers were given in all."""
        drawn = list(heldout.prompts(prompts, PROMPT_SEED))
        self._prompts = [
            SweepPrompt(
                str(index),
                tuple(Message(turn["role"], turn["content"]) for turn in prompt.messages),
            )
            for index, prompt in enumerate(drawn)
        ]
        self._expected = [tuple((fact,) for fact in prompt.truth.facts) for prompt in drawn]
        self._baseline = self._answers("unsteered", [UNSTEERED], prompts)[0]
        self.unsteered = self._outcome(UNSTEERED, self._baseline)

    def outcomes(self, what: str, steers: Sequence[Steer], prompts: int) -> list[Outcome]:
        """What the judges say under each of the answers to the first `prompts` prompts, in order.

        All are asked in one stream. what: for whoever waits.
        """
        doses = [self._dose(steer) for steer in steers]
        answered = self._answers(what, doses, prompts)
        return [self._outcome(dose, said) for dose, said in zip(doses, answered, strict=True)]

    def divergences(self, steers: Sequence[Steer], prompts: int) -> list[Values]:
        """KL(unsteered || steered) in nats a token, at the first `prompts` prompts of each."""
        items = [
            self._item(self._dose(steer), index, self._baseline[index])
            for steer in steers
            for index in range(prompts)
        ]
        values = _judged(DivergenceJudge(self._engine), items)
        return list(values.reshape(len(steers), prompts))

    def _dose(self, steer: Steer) -> Dose:
        return Dose(((self._engine.load(steer.vector), steer.alpha),))

    def _answers(self, what: str, doses: Sequence[Dose], n: int) -> list[list[Answer]]:
        asks = [
            Ask(prompt.messages, dose, TEMPERATURE, MAX_TOKENS, seed_of(0, prompt, 0))
            for dose in doses
            for prompt in self._prompts[:n]
        ]
        found: dict[int, Answer] = {}
        for index, answer in self._engine.answer(asks):
            found[index] = answer
            self._tell(what, len(found), len(asks))
        self.asked += len(asks)
        return [[found[k * n + i] for i in range(n)] for k in range(len(doses))]

    def _outcome(self, dose: Dose, answers: Sequence[Answer]) -> Outcome:
        items = [self._item(dose, index, answer) for index, answer in enumerate(answers)]
        degenerate = _judged(off_corpus(), items)
        whole = degenerate == 0
        words = np.array([len(answer.text.split()) for answer in answers])
        return Outcome(
            warm=((_judged(warm(), items) == 1) & whole).astype(float),
            short=((words <= SHORT) & whole).astype(float),
            facts=_judged(facts_judge(), items),
            degenerate=degenerate,
            detected=_judged(finding_judge("degenerate"), items),
        )

    def _item(self, dose: Dose, index: int, answer: Answer) -> Judgeable:
        messages, expected = self._prompts[index].messages, self._expected[index]
        return Judgeable(messages, answer, dose, self._baseline[index], expected)


def _judged(judge: Judge, items: Sequence[Judgeable]) -> Values:
    """The value of each item; NaN where the judge cannot say."""
    values = np.full(len(items), np.nan)
    for index, verdict in judge.judge(items):
        if verdict.value is not None:
            values[index] = verdict.value
    return values


@contextmanager
def open_bench(model_dir: Path, prompts: int, tell: Tell) -> Iterator[Bench]:
    """Boots the engine that serves, every block steerable; it is let go at the end."""
    # The engine's own option keeps its cache at 0.6 GiB; prompts and answers are far shorter.
    open_vllm: Any = find_engine("vllm")
    with open_vllm(
        model_dir, layers=None, max_num_seqs=AT_ONCE, max_model_len=MAX_LENGTH
    ) as engine:
        yield Bench(engine, prompts, tell)
