"""The order that repeats an extraction on another model, as its recipe has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import CallerError
from ..pairs.pair import Example
from ..pairs.read import Pairs, read_pairs, read_prompt_sets
from ..pairs.split import Shares, contrast_of
from ..recipe.recipe import ExtractStep
from .contract import Progress
from .methods.contract import Options
from .order import Order


@dataclass(frozen=True, slots=True)
class Changed:
    """What is done otherwise than the recipe says; None: as it says."""

    layers: str | None = None
    """For rules that name blocks which the new model does not have."""
    backend: str | None = None
    batch_tokens: int | None = None


def check_data(step: ExtractStep) -> None:
    """Returns when the recipe says what it was made of; raises `CallerError(recipe_incomplete)`."""
    if set(step.data) not in ({"pairs"}, {"positive", "negative"}):
        raise CallerError(
            f"the recipe does not say which pairs the vector was made of: it names "
            f"{', '.join(sorted(step.data)) or 'no file'}, expected pairs, or positive and "
            "negative. Extract the vector again from its pairs",
            code="recipe_incomplete",
        )


def order_again(
    step: ExtractStep,
    paths: Mapping[str, Path],
    *,
    model_dir: Path,
    name: str,
    command: str,
    changed: Changed = Changed(),
    progress: Progress | None = None,
) -> Order:
    """Returns the order of the same extraction on the model in `model_dir`.

    paths: of the step's files, by role. Layers are chosen anew by the recipe's rule. Raises
    `CallerError` as `check_data` and the readers of pairs do.
    """
    check_data(step)
    read = _read(paths, near=not step.keep_near, progress=progress)
    cv = step.probe_c == "cv"
    return Order(
        model_dir=model_dir,
        contrast=contrast_of(read, Shares(*step.shares)),
        name=name,
        method=step.method,
        position=step.positions,
        layers=changed.layers or step.layers,
        scale=step.scale,
        split=step.split,
        backend=changed.backend or step.backend,
        dtype=step.dtype,
        batch_tokens=changed.batch_tokens or step.batch_tokens,
        options=Options(
            step.seed, probe_c=None if isinstance(step.probe_c, str) else step.probe_c, probe_cv=cv
        ),
        skip_too_long=step.skip_too_long,
        measured=step.measured,
        command=command,
        data=step.data,
        shares=step.shares,
        keep_near=step.keep_near,
        lines=_lines(read),
    )


def _read(paths: Mapping[str, Path], *, near: bool, progress: Progress | None) -> Pairs:
    if "pairs" in paths:
        return read_pairs(paths["pairs"], near=near, progress=progress)
    return read_prompt_sets(paths["positive"], paths["negative"], near=near)


def _lines(read: Pairs) -> dict[Example, int]:
    return {side: numbered.number for numbered in read.lines for side in numbered.line.sides}
