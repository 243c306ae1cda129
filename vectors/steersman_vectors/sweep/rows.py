"""One answer of a sweep as it is kept, and the first line of a file of them. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from pydantic import TypeAdapter, ValidationError

from . import grid as grids
from .contract import Answer
from .grid import Grid, Run

FORMAT = "steersman-sweep/1"
DIGITS = 6
"""Of a log-probability, after the point."""


@dataclass(frozen=True, slots=True)
class Row:
    """An answer, and what it was given to."""

    id: str
    vector: str | None
    """The vector's name; None: unsteered."""
    digest: str | None
    layers: tuple[int, ...]
    alpha: float
    prompt: str
    """The prompt's id."""
    sample: int
    seed: int
    text: str
    finish_reason: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float | None, ...]
    """Of each token, in nats, before temperature, rounded; None where the model gave no number: its
    states were too large for its dtype."""


_ROW = TypeAdapter(Row)


def row_of(run: Run, answer: Answer) -> Row:
    """Returns what is kept of an answer."""
    setting = run.setting
    vector = setting.vector if setting.steers else None
    return Row(
        id=run.id,
        vector=None if vector is None else vector.name,
        digest=None if vector is None else vector.digest,
        layers=() if vector is None else setting.layers,
        alpha=setting.alpha,
        prompt=run.prompt.id,
        sample=run.sample,
        seed=run.seed,
        text=answer.text,
        finish_reason=answer.finish_reason,
        token_ids=answer.token_ids,
        logprobs=tuple(
            round(logprob, DIGITS) if isfinite(logprob) else None for logprob in answer.logprobs
        ),
    )


def line_of(row: Row) -> bytes:
    """Returns the row as a line, line feed included."""
    return _line(asdict(row))


def parse_row(line: bytes) -> Row:
    """Returns the row in a line; raises `ValueError` for anything else."""
    try:
        return _ROW.validate_json(line)
    except ValidationError as error:
        raise ValueError(_first(error)) from None


def header_of(grid: Grid) -> bytes:
    """Returns the first line of the grid's results."""
    value = {"format": FORMAT, "key": grids.key_of(grid), "grid": grids.to_json(grid)}
    return _line(value)


def parse_header(line: bytes) -> Grid:
    """Returns the grid in the first line; raises `ValueError` for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("its first line is not JSON") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f"its first line does not say {FORMAT!r}")
    try:
        grid = grids.from_json(value.get("grid"))
    except ValidationError as error:
        raise ValueError(f"its grid is not valid ({_first(error)})") from None
    if grids.key_of(grid) != value.get("key"):
        raise ValueError("its grid is not the one that its key was made of")
    return grid


def _line(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
