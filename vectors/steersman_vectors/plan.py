"""The plan: what one request will execute. Frozen, canonical, the same on both sides of the wire.

A plan travels to the engine in `SamplingParams.extra_args["steering"]` as plain JSON:

    {"terms": [["sha256:...", 0.42], ...], "schedule": {"kind": "constant"},
     "turns": [[3, 17], [41, null]]}

Callers outside the server may write `"scope"` instead of `"turns"`; the engine's intake finds the
turns from the prompt's token ids before the request leaves the API process.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import itemgetter

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .card import Digest, Scope
from .errors import CallerError
from .schedule import CONSTANT, Schedule

EXTRA_ARGS_KEY = "steering"
MAX_TERMS = 64
MAX_ALPHA = 1e6
MAX_POSITION = 2**31 - 1

Terms = tuple[tuple[Digest, float], ...]
Turn = tuple[int, int | None]
"""Steered positions `[start, end)` of an assistant turn; None while it is being generated."""


def _in_range(alpha: float) -> float:
    if not abs(alpha) <= MAX_ALPHA:
        raise ValueError(f"alpha {alpha:.10g} is out of range (|alpha| <= {MAX_ALPHA:g})")
    return alpha


class SteeringPlan(BaseModel):
    """Terms, schedule, and where: `scope` until the prompt is known, then `turns`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    terms: Terms = Field(max_length=MAX_TERMS)
    """(vector digest, alpha), sorted; equal digests are summed, zero alphas dropped. Plans with
    equal terms share one row."""
    schedule: Schedule = CONSTANT
    scope: Scope | None = None
    turns: tuple[Turn, ...] | None = None
    """Ascending, not overlapping; only the last may be open."""

    @field_validator("terms")
    @classmethod
    def _canonical(cls, terms: Terms) -> Terms:
        alphas: dict[str, list[float]] = {}
        for digest, alpha in terms:
            alphas.setdefault(digest, []).append(_in_range(alpha))
        # fsum: the same sum in any order of the terms, so that equal plans have equal digests.
        sums = ((digest, _in_range(math.fsum(each))) for digest, each in sorted(alphas.items()))
        return tuple((digest, alpha) for digest, alpha in sums if alpha != 0.0)

    @model_validator(mode="after")
    def _turns_are_ordered(self) -> SteeringPlan:
        if (self.scope is None) == (self.turns is None):
            raise ValueError("exactly one of 'scope' and 'turns' is needed")
        if any(end > MAX_POSITION for turn in self.turns or () for end in turn if end is not None):
            raise ValueError(f"a position is beyond {MAX_POSITION}")
        before = 0
        for i, (start, end) in enumerate(self.turns or ()):
            last = i == len(self.turns or ()) - 1
            if start < before or (end is None and not last) or (end is not None and end <= start):
                raise ValueError(f"turn {i} [{start}, {end}) is empty, overlaps or is out of order")
            before = start if end is None else end
        return self

    @cached_property
    def digest(self) -> str:
        """sha256 of terms and schedule: what is done to a steered position, wherever it lies."""
        schedule = self.schedule.model_dump(mode="json")
        text = json.dumps([self.terms, schedule], sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def with_turns(self, turns: tuple[Turn, ...]) -> SteeringPlan:
        """Returns the plan bound to the positions of one prompt."""
        return SteeringPlan(terms=self.terms, schedule=self.schedule, turns=turns)

    def to_wire(self) -> dict[str, object]:
        """Returns the plain JSON form for `extra_args`."""
        return self.model_dump(mode="json", exclude_none=False)


def clip(turns: Sequence[Turn], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields (turn start, first, last + 1) of the positions of the turns inside `[start, end)`.

    Looks at the turns in there only: a long conversation is asked for each of its blocks.
    """
    for k in range(max(0, bisect_right(turns, start, key=itemgetter(0)) - 1), len(turns)):
        turn_start, turn_end = turns[k]
        if turn_start >= end:
            return
        first = max(start, turn_start)
        stop = end if turn_end is None else min(end, turn_end)
        if first < stop:
            yield turn_start, first, stop


def decode_plan(wire: object) -> SteeringPlan:
    """Returns the plan in an `extra_args` value; raises only `CallerError(invalid_plan)`."""
    if not isinstance(wire, dict):
        raise CallerError(
            f"extra_args[{EXTRA_ARGS_KEY!r}] must be an object, got {type(wire).__name__}",
            code="invalid_plan",
            param=EXTRA_ARGS_KEY,
        )
    try:
        return SteeringPlan.model_validate(wire)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CallerError(
            f"invalid steering plan: {where or 'plan'}: {first['msg']}. Expected "
            '{"terms": [[digest, alpha]], "schedule": {"kind": "constant"}, "scope": "assistant"}',
            code="invalid_plan",
            param=EXTRA_ARGS_KEY,
        ) from error
