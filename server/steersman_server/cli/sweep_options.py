"""From the options of `vectors sweep` to the grid that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from steersman_vectors.errors import CallerError

if TYPE_CHECKING:
    from steersman_vectors.card import Scope
    from steersman_vectors.schedule import AnySchedule
    from steersman_vectors.sweep.grid import Grid, GridVector, LayerSet
    from steersman_vectors.vector import SteeringVector


class ScopeOption(StrEnum):
    """Which positions are steered."""

    ASSISTANT = "assistant"
    GENERATION = "generation"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    files: Sequence[Path]
    model: str
    alphas: str
    prompts: Path
    layers: Sequence[str]
    temperature: float
    samples: int
    max_tokens: int
    seed: int
    scope: Scope | None
    schedule: str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A grid, and what it takes to run it."""

    grid: Grid
    vectors: dict[str, SteeringVector]
    """By digest."""
    model_dir: Path


def plan(asked: Asked) -> Planned:
    """Returns the grid; boots nothing.

    Raises `CallerError` for whatever does not fit together: files, model, layer sets, prompts.
    """
    from steersman_vectors.formats import native
    from steersman_vectors.model_dir import read_shape, resolve_model_dir
    from steersman_vectors.registry.binding import check_fits
    from steersman_vectors.sweep.grid import Grid, check
    from steersman_vectors.sweep.prompts import read_prompts

    from .progress import fingerprint_of

    model_dir = resolve_model_dir(asked.model)
    shape = read_shape(model_dir)
    read = [(native.load(file), file) for file in asked.files]
    fingerprint = fingerprint_of(asked.model).digest
    for vector, file in read:
        check_fits(vector, shape)
        check_model(vector, file, fingerprint)
    grid = Grid(
        model=fingerprint,
        vectors=tuple(_as_applied(vector, asked) for vector, _ in read),
        layer_sets=tuple(layer_set(rule, model_dir, shape.num_layers) for rule in asked.layers),
        alphas=numbers(asked.alphas),
        prompts=read_prompts(asked.prompts),
        temperature=asked.temperature,
        max_tokens=asked.max_tokens,
        samples=asked.samples,
        seed=asked.seed,
    )
    by_digest = {native.digest(native.dumps(vector)): vector for vector, _ in read}
    return Planned(check(grid), by_digest, model_dir)


def check_model(vector: SteeringVector, file: Path, fingerprint: str) -> None:
    """Raises `CallerError(vector_model_mismatch)` for a vector of another model."""
    if vector.card.fingerprint not in (None, fingerprint):
        raise CallerError(
            f"the vector in {file} belongs to another base model: it was made for "
            f"{vector.card.fingerprint}, --model is {fingerprint}. Extract it again for this model",
            code="vector_model_mismatch",
        )


def _as_applied(vector: SteeringVector, asked: Asked) -> GridVector:
    """The command line's word first, then the card's: alphas mean what they were measured under."""
    from steersman_vectors.formats import native
    from steersman_vectors.schedule import CONSTANT
    from steersman_vectors.sweep.grid import GridVector

    card = vector.card
    given = None if asked.schedule is None else schedule_of(asked.schedule)
    return GridVector(
        name=card.name,
        digest=native.digest(native.dumps(vector)),
        layers=vector.layers,
        scope=asked.scope or card.scope or "assistant",
        schedule=given or card.schedule or CONSTANT,
    )


def schedule_of(text: str) -> AnySchedule:
    """Returns the schedule in a JSON text; raises `CallerError(invalid_schedule)`."""
    from pydantic import TypeAdapter, ValidationError

    from steersman_vectors.schedule import Schedule

    adapter: TypeAdapter[AnySchedule] = TypeAdapter(Schedule)
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise CallerError(
            f"--schedule: got {text[:80]!r} ({error.errors()[0]['msg']}), expected JSON such as "
            '{"kind": "constant"} or {"kind": "linear", "tokens": 200, "floor": 0.2}',
            code="invalid_schedule",
            param="schedule",
        ) from error


def layer_set(rule: str, model_dir: Path, num_layers: int) -> LayerSet:
    """Returns the blocks that a rule names in this model; raises `CallerError(invalid_layers)`."""
    from steersman_vectors.layer_sets import choose_layers
    from steersman_vectors.model_dir import read_attention
    from steersman_vectors.sweep.grid import OWN, LayerSet

    if rule == OWN:
        return LayerSet(rule, None)
    return LayerSet(rule, choose_layers(rule, num_layers, read_attention(model_dir)))


def numbers(text: str) -> tuple[float, ...]:
    """Returns the numbers in a comma-separated list; raises `CallerError(invalid_grid)`."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise CallerError(
            f"--alphas: got {text[:80]!r}, expected numbers such as 0,0.2,0.5",
            code="invalid_grid",
            param="alphas",
        ) from error
