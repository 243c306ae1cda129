"""What a sweep asks: vectors x layer sets x alphas x prompts x samples. Pure, in a fixed order.

A *setting* is a vector on a layer set at an alpha. Settings that do the same thing (two rules that
name the same blocks, every alpha 0) share their *runs*, the answers that are really given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from ..card import Scope
from ..errors import CallerError
from ..fingerprint import digest_of
from ..plan import MAX_ALPHA
from ..schedule import CONSTANT, AnySchedule
from .prompts import SweepPrompt

OWN = "own"
"""The rule that names the layers that a vector has."""


@dataclass(frozen=True, slots=True)
class GridVector:
    """A vector as the grid knows it, and how it is applied."""

    name: str
    digest: str
    """Of the whole vector, whatever layers of it are used."""
    layers: tuple[int, ...]
    scope: Scope = "assistant"
    schedule: AnySchedule = CONSTANT


@dataclass(frozen=True, slots=True)
class LayerSet:
    """The blocks that a rule names in this model."""

    rule: str
    layers: tuple[int, ...] | None
    """None for `own`."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Everything that decides the answers of a sweep."""

    model: str
    """The base model's fingerprint."""
    vectors: tuple[GridVector, ...]
    layer_sets: tuple[LayerSet, ...]
    alphas: tuple[float, ...]
    prompts: tuple[SweepPrompt, ...]
    temperature: float = 0.0
    max_tokens: int = 192
    samples: int = 1
    """Answers to each prompt under each setting."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """One cell of the grid; without a vector: the unsteered model."""

    vector: GridVector | None
    rule: str = ""
    layers: tuple[int, ...] = ()
    alpha: float = 0.0

    @property
    def steers(self) -> bool:
        """Whether it changes anything."""
        return self.vector is not None and self.alpha != 0.0


UNSTEERED = Setting(None)


@dataclass(frozen=True, slots=True)
class Run:
    """One answer that is to be given."""

    id: str
    """Of everything that decides the answer: the same in every sweep that asks for it."""
    setting: Setting
    """The first that wants it."""
    prompt: SweepPrompt
    sample: int
    seed: int


_GRID = TypeAdapter(Grid)


def to_json(grid: Grid) -> dict[str, Any]:
    """Returns the grid as plain JSON."""
    value: dict[str, Any] = _GRID.dump_python(grid, mode="json")
    return value


def from_json(value: Any) -> Grid:
    """Returns the grid in a JSON value; raises `ValueError` for anything else."""
    return _GRID.validate_json(json.dumps(value))


def key_of(grid: Grid) -> str:
    """Returns `sha256:...` of the grid: results of another are never mixed with its own."""
    return "sha256:" + _sha256(to_json(grid))


def check(grid: Grid) -> Grid:
    """Returns the grid.

    Raises `CallerError(invalid_grid)` for one that asks for nothing, or for the same twice.
    """
    said: dict[str, tuple[Any, ...]] = {
        "vectors": tuple(vector.name for vector in grid.vectors),
        "--layers": tuple(chosen.rule for chosen in grid.layer_sets),
        "--alphas": tuple(alpha + 0.0 for alpha in grid.alphas),
        "--prompts": tuple(prompt.id for prompt in grid.prompts),
    }
    for what, values in said.items():
        if not values:
            raise _invalid(f"{what}: got none, expected at least one")
        if len(set(values)) != len(values):
            raise _invalid(f"{what}: got one twice in {list(values)[:20]}; name each once")
    if not all(abs(alpha) <= MAX_ALPHA for alpha in grid.alphas):
        raise _invalid(
            f"--alphas: got {list(grid.alphas)}, expected finite numbers from {-MAX_ALPHA:g} to "
            f"{MAX_ALPHA:g}"
        )
    if grid.samples < 1 or grid.max_tokens < 1 or not grid.temperature >= 0.0:
        raise _invalid("--samples and --max-tokens must be at least 1, --temperature at least 0")
    if grid.samples > 1 and grid.temperature == 0.0:
        raise _invalid(
            f"--samples {grid.samples}: greedy answers are all the same. Add --temperature 0.8"
        )
    for vector in grid.vectors:
        for chosen in grid.layer_sets:
            _layers_of(vector, chosen)
    return grid


def settings(grid: Grid) -> Iterator[Setting]:
    """Yields every cell: by vector, then layer set, then alpha, as they were given."""
    for vector in grid.vectors:
        for chosen in grid.layer_sets:
            layers = _layers_of(vector, chosen)
            for alpha in grid.alphas:
                # -0.0 is 0.0
                yield Setting(vector, chosen.rule, layers, alpha + 0.0)


def configurations(grid: Grid) -> int:
    """Returns how many answers the settings want, shared ones counted each time."""
    cells = len(grid.vectors) * len(grid.layer_sets) * len(grid.alphas)
    return cells * len(grid.prompts) * grid.samples


def runs_of(grid: Grid, setting: Setting) -> Iterator[Run]:
    """Yields the answers that one setting wants: by prompt, then sample."""
    for prompt in grid.prompts:
        for sample in range(grid.samples):
            seed = seed_of(grid.seed, prompt, sample)
            yield Run(_run_id(grid, setting, prompt, sample, seed), setting, prompt, sample, seed)


def runs(grid: Grid) -> tuple[Run, ...]:
    """Returns the distinct answers that all settings want, in the order in which they want them."""
    found: dict[str, Run] = {}
    for setting in settings(grid):
        for run in runs_of(grid, setting):
            found.setdefault(run.id, run)
    return tuple(found.values())


def seed_of(seed: int, prompt: SweepPrompt, sample: int) -> int:
    """Returns the seed of an answer.

    It is the same under every setting, so that settings are compared on the same draws.
    """
    return int(_sha256([seed, prompt.id, sample])[:12], 16)


def _run_id(grid: Grid, setting: Setting, prompt: SweepPrompt, sample: int, seed: int) -> str:
    steered: Any = None
    if setting.vector is not None and setting.steers:
        vector = setting.vector
        schedule = vector.schedule.model_dump(mode="json")
        steered = [vector.digest, setting.layers, setting.alpha, vector.scope, schedule]
    said = [[message.role, message.content] for message in prompt.messages]
    drawn = [grid.temperature, seed if grid.temperature else 0, sample]
    return _sha256([grid.model, steered, prompt.id, said, drawn, grid.max_tokens])[:16]


def _layers_of(vector: GridVector, chosen: LayerSet) -> tuple[int, ...]:
    if chosen.layers is None:
        return vector.layers
    lacking = sorted(set(chosen.layers).difference(vector.layers))
    if lacking:
        raise CallerError(
            f"--layers {chosen.rule}: means layers {list(chosen.layers)} of this model, but vector "
            f"{vector.name!r} has directions at {list(vector.layers)} only. Extract it with "
            f"--layers all, or sweep it with --layers {OWN}",
            code="layers_not_in_vector",
            param="layers",
        )
    return chosen.layers


def _sha256(value: Any) -> str:
    return digest_of(value).removeprefix("sha256:")


def _invalid(message: str) -> CallerError:
    return CallerError(message, code="invalid_grid")
