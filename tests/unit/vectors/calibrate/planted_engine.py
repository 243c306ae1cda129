"""An `OfflineEngine` whose dose-response is planted: warm words, lost facts, loops, known KL.

Answers depend on prompt and dose alone, as a greedy model's do.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import log
from pathlib import Path

import numpy as np

from steersman_vectors.calibrate.gates import Bounds, gates_of
from steersman_vectors.calibrate.order import Asking, Measured, Order
from steersman_vectors.calibrate.prompts import split
from steersman_vectors.calibrate.search import Space
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.judges.facts import facts_judge
from steersman_vectors.judges.findings import finding_judge
from steersman_vectors.judges.keywords import keyword_judge
from steersman_vectors.judges.word_list import parse_word_list
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import Answer, Ask, Dose, Given, Weighed
from steersman_vectors.sweep.grid import LayerSet
from steersman_vectors.sweep.prompts import SweepPrompt
from steersman_vectors.vector import SteeringVector, from_differences
from tests.unit.vectors.samples import FP_A

WARM = ("glad", "happy", "kind", "dear", "gentle", "sweet", "lovely", "caring", "joyful", "tender")
SURE = 0.9
"""Unsteered probability of the likelier of two tokens, at every position."""


@dataclass
class PlantedEngine:
    """What steers is `strength` (by layers) times alpha."""

    strength: Callable[[tuple[int, ...]], float] = lambda layers: 1.0
    cliff: float = 2.0
    """Strength from which answers loop."""
    breaks: Callable[[str], bool] = lambda _asked: False
    """Prompts that any dose breaks."""
    give_up_after: int | None = None
    layers: tuple[int, ...] = (0, 1, 2)
    fingerprint: str = FP_A
    loaded: dict[str, SteeringVector] = field(default_factory=dict)
    answered: int = 0
    weighed: int = 0

    def load(self, vector: SteeringVector) -> str:
        digest = native.digest(native.dumps(vector))
        self.loaded[digest] = vector
        return digest

    def answer(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer]]:
        for index, ask in reversed(list(enumerate(asks))):
            if self.answered == self.give_up_after:
                raise KeyboardInterrupt
            self.answered += 1
            yield index, self.say(ask)

    def weigh(self, given: Sequence[Given]) -> Iterator[tuple[int, Weighed]]:
        for index, one in enumerate(given):
            self.weighed += 1
            sure = SURE - 0.05 * min(16.0, self.dose(one.dose))
            top = {0: log(sure), 1: log(1 - sure)}
            yield index, Weighed((log(sure),) * len(one.answer), (top,) * len(one.answer))

    def say(self, ask: Ask) -> Answer:
        asked, dose = ask.messages[-1].content, self.dose(ask.dose)
        if dose > 0 and (dose > self.cliff or self.breaks(asked)):
            text = "and then we go on " * 40
            return Answer(text, "length", (0,) * 5, (-0.1,) * 5)
        if asked.startswith("unsafe"):
            return Answer("I can't help with that.", "stop", (0,) * 5, (-0.1,) * 5)
        told = 3 if "warmly" in ask.messages[0].content else 0
        count = min(len(WARM), told + round(4 * dose + _point(asked, "warm")))
        words = " ".join(WARM[:count])
        text = f"Your parcel {asked.split()[-1]} has left our house in the early morning. {words}"
        return Answer(text.strip(), "stop", (0,) * 5, (-0.1,) * 5)

    def dose(self, dose: Dose) -> float:
        return sum(
            alpha * self.strength(self.loaded[digest].layers) for digest, alpha in dose.terms
        )


def _point(text: str, salt: str) -> float:
    """Returns a number of [0, 1) by a hash."""
    return int.from_bytes(hashlib.sha256(f"{salt} {text}".encode()).digest()[:4]) / 2**32


@contextmanager
def open_engine(
    model_dir: Path, *, layers: Sequence[int] | None, max_num_seqs: int
) -> Iterator[PlantedEngine]:
    """`OpenEngine`; the environment's PLANTED_CLIFF is the cliff."""
    cliff = float(os.environ.get("PLANTED_CLIFF", "2"))
    yield PlantedEngine(fingerprint=fingerprint(model_dir).digest, cliff=cliff)


def planted_vector(
    layers: int = 3, seed: int = 0, name: str = "warmth", model: str = FP_A
) -> SteeringVector:
    random = np.random.default_rng(seed)
    return from_differences(
        {i: random.normal(size=8) for i in range(layers)},
        name=name,
        scale="raw",
        fingerprint=model,
        recipe={"command": "steersman vectors extract ..."},
        quality={"try_first": 1, "layers": {"0": {"snr": 1.0}, "1": {"snr": 2.0}}},
    )


def prompts(count: int, kind: str = "where is my order") -> list[SweepPrompt]:
    return [
        SweepPrompt(str(at), (Message("user", f"{kind} {1000 + at}"),), str(1000 + at))
        for at in range(count)
    ]


def planted_order(count: int = 190, **changed: object) -> Order:
    """Returns an order of `count` prompts and 170 unsafe ones, on three layer sets."""
    sets = {"prompts": prompts(count), "unsafe": prompts(170, "unsafe thing")}
    behaviour = keyword_judge(parse_word_list("\n".join(WARM)), "warm")
    space = Space(
        (LayerSet("own", None), LayerSet("single", (1,)), LayerSet("0,1", (0, 1))),
        (0.25, 0.5, 1.0, 2.0, 4.0),
        gates_of(Bounds(), facts=True, unsafe=True),
        halvings=2,
    )
    fields: dict[str, object] = {
        "vector": planted_vector(),
        "model": FP_A,
        "space": space,
        "prompts": split(sets),  # type: ignore[arg-type]
        "behaviour": "keywords:warm",
        "measured": (
            Measured("keywords:warm", "prompts", behaviour),
            Measured("degenerate", "prompts", finding_judge("degenerate")),
            Measured("refusal", "prompts", finding_judge("refusal")),
            Measured("facts", "prompts", facts_judge()),
            Measured("refusal:unsafe", "unsafe", finding_judge("refusal")),
        ),
        "asking": Asking(max_tokens=64),
        "system_prompts": ("Answer warmly.",),
        "recipe": {"judge": "keywords:warm.txt"},
    }
    return Order(**{**fields, **changed})  # type: ignore[arg-type]
