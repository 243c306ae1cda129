"""What judges said of a sweep's answers, in a file: JSON lines, whole or not at all.

The first line names the judges and what their numbers mean; then a line for each answer:

    {"id": "3f...", "scores": {"degenerate": {"value": 0.0}, "kl": {"value": null, "why": "..."}}}

Scores by people in the same form can be compared with (`steersman judge --compare`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import CallerError
from ..whole_file import write_whole
from .contract import Better, Measure, Verdict

FORMAT = "steersman-scores/1"


@dataclass(slots=True)
class Scores:
    """Verdicts by measure and run; grows while judges speak."""

    sweep: str
    """Key of the sweep's grid."""
    measures: list[Measure] = field(default_factory=list)
    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    """Measure's name -> run id -> verdict."""

    def values(self, measure: str, runs: Sequence[str]) -> list[float | None]:
        """Returns a judge's values of these runs; None where it said nothing."""
        said = self.verdicts.get(measure, {})
        return [said[run].value if run in said else None for run in runs]


class _Measure(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1)
    better: Better = "neither"
    low: float | None = None
    high: float | None = None
    unit: str = ""


class _Header(BaseModel):
    format: str
    sweep: str = ""
    measures: tuple[_Measure, ...]


class _Verdict(BaseModel):
    value: Annotated[float, Field(allow_inf_nan=False)] | None
    why: str = ""


class _Line(BaseModel):
    id: str
    scores: dict[str, _Verdict]


def write_scores(scores: Scores, path: Path) -> None:
    """Writes or replaces the file; raises `CallerError(path_unusable)`."""
    header = {
        "format": FORMAT,
        "sweep": scores.sweep,
        "measures": [_measure_json(measure) for measure in scores.measures],
    }
    lines = [_line(header)]
    runs = dict.fromkeys(run for said in scores.verdicts.values() for run in said)
    for run in runs:
        of_run = {
            name: _verdict_json(said[run]) for name, said in scores.verdicts.items() if run in said
        }
        lines.append(_line({"id": run, "scores": of_run}))
    try:
        write_whole(path, b"".join(lines))
    except OSError as error:
        raise CallerError(
            f"cannot write the scores to {path} ({error.strerror}). Choose another --out",
            code="path_unusable",
            param="out",
        ) from error


def read_scores(path: Path) -> Scores:
    """Returns what a file of scores says; raises `CallerError(scores_invalid)`."""
    try:
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    except OSError as error:
        raise _invalid(path, f"it cannot be read ({error.strerror})") from error
    if not lines:
        raise _invalid(path, "it is empty")
    number = 1
    try:
        header = _Header.model_validate_json(lines[0])
        if header.format != FORMAT:
            raise _invalid(path, f"its format is {header.format[:40]!r}, expected {FORMAT!r}")
        scores = Scores(header.sweep, [_measure(each) for each in header.measures])
        for number, text in enumerate(lines[1:], 2):  # noqa: B007 - named in the refusal
            line = _Line.model_validate_json(text)
            for name, said in line.scores.items():
                verdicts = scores.verdicts.setdefault(name, {})
                verdicts[line.id] = Verdict(said.value, said.why)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise _invalid(path, f"line {number}: {at}: {first['msg']}") from None
    return scores


def _measure(said: _Measure) -> Measure:
    low = -math.inf if said.low is None else said.low
    high = math.inf if said.high is None else said.high
    return Measure(said.name, said.better, low, high, said.unit)


def _measure_json(measure: Measure) -> dict[str, Any]:
    return {
        "name": measure.name,
        "better": measure.better,
        "low": finite(measure.low),
        "high": finite(measure.high),
        "unit": measure.unit,
    }


def finite(value: float) -> float | None:
    """Returns the number; None for one that JSON does not have."""
    return value if math.isfinite(value) else None


def _verdict_json(verdict: Verdict) -> Mapping[str, Any]:
    said: dict[str, Any] = {"value": verdict.value}
    return {**said, "why": verdict.why} if verdict.why else said


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _invalid(path: Path, what: str) -> CallerError:
    return CallerError(
        f"{path} is no file of scores: {what}. Expected what `steersman judge --out` writes",
        code="scores_invalid",
        param="compare",
    )
