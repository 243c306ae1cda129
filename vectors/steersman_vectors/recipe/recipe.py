"""The recipe on a card: every step that made the vector, with all that decides what it makes.

Written by `extract` and `calibrate`, read by `rebuild`. `VERSION` says how it is written; what a
later Steersman wrote is refused rather than half understood.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from ..card import Digest, VectorCard
from ..errors import CallerError
from ..extract.contract import Dtype
from ..extract.methods.contract import MethodName
from ..extract.order import SplitChoice
from ..extract.reading import Position
from ..scale import Scale
from .data_file import DataFile, Role

VERSION = 1
OptionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ExtractStep(_Frozen):
    """`steersman vectors extract`: its options by their meaning, its data, what it counted."""

    data: dict[Role, DataFile]
    """`pairs`; or `positive` and `negative`, two sets of prompts. Empty where nobody said."""
    fingerprint: Digest
    """The base model it ran on."""
    method: MethodName
    positions: Position
    layers: str
    """The rule, not the blocks that it named: on a model of another depth it names others."""
    scale: Scale
    split: SplitChoice
    shares: tuple[Share, Share, Share]
    """Of train, calibration and held-out."""
    keep_near: bool
    """Whether near duplicates were kept."""
    skip_too_long: bool
    backend: str
    dtype: Dtype
    batch_tokens: Annotated[int, Field(ge=1)]
    seed: int
    probe_c: Annotated[float, Field(gt=0)] | Literal["cv"] | None = None
    """Of method `probe`; None: 1 / hidden."""
    measured: bool
    """Whether the layer metrics were computed."""
    positive: Annotated[int, Field(ge=0)]
    """Examples that went in."""
    negative: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)]
    paired: bool
    versions: dict[str, str]


class CalibrateStep(_Frozen):
    """`steersman vectors calibrate`: the options that it was given, with its files apart."""

    command: str
    data: dict[Role, DataFile]
    """Prompts, facts, word lists, rubrics: by a name that `options` use."""
    fingerprint: Digest
    options: dict[OptionName, JsonValue]
    """By the command's option without dashes: text, a number, true for a flag, or a list for one
    that is repeated; `${ROLE}` in a text stands for the path of that file of `data`. Without
    model, vector and what is written."""
    seed: int
    versions: dict[str, str]


class Recipe(_Frozen):
    """How to make a vector again."""

    recipe: Literal[1] = 1
    command: str
    """What somebody typed; for people, nothing reads it."""
    extract: ExtractStep
    calibration: CalibrateStep | None = None

    @property
    def data(self) -> dict[str, DataFile]:
        """Returns all files of all steps: `extract.pairs`, `calibration.prompts`, ..."""
        steps: dict[str, ExtractStep | CalibrateStep | None] = {
            "extract": self.extract,
            "calibration": self.calibration,
        }
        return {
            f"{name}.{role}": file
            for name, step in steps.items()
            if step is not None
            for role, file in step.data.items()
        }

    def as_json(self) -> dict[str, JsonValue]:
        """Returns it for a card."""
        return self.model_dump(mode="json", exclude_none=True)


def is_recipe(written: Mapping[str, JsonValue]) -> bool:
    """Returns whether a card's recipe is one of these, of whatever version.

    Imported files and vectors of other programs have words and hashes there, for people.
    """
    return "recipe" in written


def read_recipe(written: Mapping[str, JsonValue]) -> Recipe | None:
    """Returns the recipe on a card; None where it is not one that can be run again.

    Raises `CallerError`: `recipe_unknown` for one of another version, `recipe_invalid`.
    """
    if not is_recipe(written):
        return None
    version = written["recipe"]
    if type(version) is not int or version != VERSION:
        raise CallerError(
            f"the recipe is written in version {json.dumps(version)[:40]}, this Steersman reads "
            f"version {VERSION}. Use the Steersman that made the vector, or a newer one",
            code="recipe_unknown",
        )
    try:
        return Recipe.model_validate_json(json.dumps(written))
    except ValidationError as error:
        raise CallerError(
            f"the recipe on the card cannot be read: {_first(error)}. Expected what `steersman "
            "vectors extract` writes; extract the vector again from its pairs",
            code="recipe_invalid",
        ) from error


def recipe_on(card: VectorCard) -> Recipe:
    """Returns the card's recipe.

    Raises `CallerError`: `recipe_missing` where it has none that can be run again, and what
    `read_recipe` raises.
    """
    recipe = read_recipe(card.recipe)
    if recipe is None:
        told = card.recipe.get("command") or card.method or "nothing"
        raise CallerError(
            f"the card of {card.name!r} has no recipe that can be run again; it says: "
            f"{str(told)[:200]}. Make the vector with `steersman vectors extract`, or import one "
            "made for the new model",
            code="recipe_missing",
        )
    return recipe


def with_calibration(recipe: Recipe, step: CalibrateStep) -> dict[str, Any]:
    """Returns a card's recipe with the calibration that was done since."""
    return recipe.model_copy(update={"calibration": step}).as_json()


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "recipe"
    return f"{where}: {first['msg']}"
