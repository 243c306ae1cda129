"""What to calibrate, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pydantic import JsonValue

from ..card import Scope
from ..formats import native
from ..judges.contract import Judge
from ..judges.llm import LlmJudge
from ..recipe.calibrate_step import options_digest
from ..schedule import CONSTANT, AnySchedule
from ..sweep.grid import Grid, GridVector, LayerSet
from ..sweep.prompts import SweepPrompt
from ..vector import SteeringVector
from .gates import check_prompts
from .prompts import HALVES, OPTIONS, Prompts, Suite
from .record import MeasureTold
from .search import Space

Toward = Literal["higher", "lower"]
KL_TOLD = MeasureTold(better="lower", unit="nats/token", low=0, high=None)


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure of every setting: a judge, on the answers to one set of prompts."""

    name: str
    suite: Suite
    judge: Judge

    @property
    def told(self) -> MeasureTold:
        """Returns the scale, as records have it."""
        measure = self.judge.measure
        low, high = (
            None if abs(end) == float("inf") else end for end in (measure.low, measure.high)
        )
        return MeasureTold(better=measure.better, unit=measure.unit, low=low, high=high)


@dataclass(frozen=True, slots=True)
class Asking:
    """How answers are asked for."""

    temperature: float = 0.0
    samples: int = 1
    """Answers to a prompt; more than one need a temperature."""
    max_tokens: int = 192
    seed: int = 0


@dataclass(frozen=True)
class Order:
    """All that decides what is found."""

    vector: SteeringVector
    model: str
    """The base model's fingerprint."""
    space: Space
    prompts: Prompts
    behaviour: str
    """Name of the measure that the dial is for."""
    measured: tuple[Measured, ...]
    """Those that judge texts; KL is measured by the engine, beside them."""
    toward: Toward = "higher"
    """Which way of the measure the vector is to move it."""
    asking: Asking = field(default_factory=Asking)
    scope: Scope = "assistant"
    schedule: AnySchedule = CONSTANT
    system_prompts: tuple[str, ...] = ()
    """Of the prompt-only baselines."""
    examples: int = 3
    """Prompts whose answers along the dial are kept."""
    recipe: Mapping[str, JsonValue] = field(default_factory=dict)
    """How to calibrate again, for the card."""

    @cached_property
    def digest(self) -> str:
        """Returns the digest of the vector as it was given."""
        return native.digest(native.dumps(self.vector))

    @cached_property
    def options(self) -> str:
        """Returns the digest of the recipe's options, its files by name and content."""
        return options_digest(self.recipe)

    @property
    def layers(self) -> tuple[int, ...]:
        """Returns all layers that any setting steers."""
        sets = self.space.layer_sets
        return tuple(sorted({layer for each in sets for layer in self.layers_of(each)}))

    def layers_of(self, chosen: LayerSet) -> tuple[int, ...]:
        """Returns the layers of a set."""
        return self.vector.layers if chosen.layers is None else chosen.layers

    @cached_property
    def as_applied(self) -> GridVector:
        """Returns the vector as grids know it."""
        card = self.vector.card
        return GridVector(card.name, self.digest, self.vector.layers, self.scope, self.schedule)

    def grid(
        self,
        prompts: tuple[SweepPrompt, ...],
        layer_sets: tuple[LayerSet, ...],
        alphas: tuple[float, ...],
    ) -> Grid:
        """Returns the grid of these settings."""
        how = self.asking
        return Grid(
            model=self.model,
            vectors=(self.as_applied,),
            layer_sets=layer_sets,
            alphas=alphas,
            prompts=prompts,
            temperature=how.temperature,
            samples=how.samples,
            max_tokens=how.max_tokens,
            seed=how.seed,
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a calibration asks of the engine."""

    answers: int
    weighings: int
    """Of answers that are shown to the model, for KL."""
    verdicts: int
    """Of judging models, which may cost money; a rubric of both orders asks twice for one."""

    @property
    def steps(self) -> int:
        """Returns both together."""
        return self.answers + self.weighings


def bound(order: Order) -> Bound:
    """Returns the most answers and weighings; a search ends before where cliffs are found early."""
    prompts = order.prompts
    cells = order.space.most_cells
    held = 1 + 3 + 1  # unsteered, presets, alpha_max
    calibration, heldout = (len(prompts.of(half)) for half in HALVES)
    prompted = len(order.system_prompts)
    samples = order.asking.samples
    answers = calibration * (cells + 1) + heldout * (held + prompted)
    shown, shown_held = (len(prompts.of(half, "prompts")) for half in HALVES)
    asking = sum(isinstance(each.judge, LlmJudge) for each in order.measured)
    return Bound(
        answers=samples * answers,
        weighings=samples * (shown * (cells + 1) + shown_held * held),
        verdicts=samples * asking * (shown * (cells + 1) + shown_held * (held + prompted)),
    )


def check_order(order: Order) -> None:
    """Raises `CallerError(too_few_prompts)` where a gate could not be passed by so few prompts."""
    told = {each.name: each.told for each in order.measured} | {"kl": KL_TOLD}
    suites: dict[str, Suite] = {each.name: each.suite for each in order.measured}
    suites["kl"] = "prompts"
    check_prompts(
        order.space.gates,
        told,
        {name: order.prompts.fewest(suite) for name, suite in suites.items()},
        {name: OPTIONS[suite] for name, suite in suites.items()},
    )


def counts(prompts: Prompts) -> dict[str, int]:
    """Returns the number of prompts by half, and of each further set by half."""
    found: dict[str, int] = {}
    for half in HALVES:
        found[half] = len(prompts.of(half, "prompts"))
        for suite in ("facts", "unsafe"):
            there = len(prompts.of(half, suite))
            if there:
                found[f"{half}:{suite}"] = there
    return found
