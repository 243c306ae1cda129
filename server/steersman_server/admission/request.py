"""The `steering` field of a request, as callers write it."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from steersman_vectors.card import Scope
from steersman_vectors.errors import CallerError
from steersman_vectors.plan import MAX_ALPHA
from steersman_vectors.schedule import Constant, Exponential, Linear, Schedule

PARAM = "steering"
MAX_ECHO = 80
"""Characters of a caller's value that a message repeats."""


def alpha_or_preset(value: object) -> float | str:
    """Returns a dial as it was written; raises `ValueError` for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"got {_shown(value)}, expected a number (alpha) or the name of a preset")
    if isinstance(value, int) and abs(value) > 10**9:
        raise ValueError(f"alpha is out of range (|alpha| <= {MAX_ALPHA:g}), got {_shown(value)}")
    if not math.isfinite(value):
        raise ValueError(f"alpha must be a finite number, got {value}")
    return float(value)


_SCHEDULES: dict[str, type[BaseModel]] = {"linear": Linear, "exponential": Exponential}


class SteeringRequest(BaseModel):
    """`{"vectors": {name[@version|@alias]: alpha | preset}, "scope", "schedule", "required"}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    vectors: dict[str, Annotated[float | str, BeforeValidator(alpha_or_preset)]] = Field(
        min_length=1, max_length=32
    )
    scope: Scope | None = None
    """None: the preset's, else the server's default."""
    schedule: Schedule | None = None
    """None: the preset's, else constant."""
    required: bool = Field(default=False, strict=True)
    """Refuse (403) rather than serve unsteered: steering switched off, or a safety intent."""


def parse_steering(value: Any) -> SteeringRequest | bool | None:
    """Returns the field parsed; False when the caller wants no steering, None when it is absent.

    Raises `CallerError(invalid_steering)` that names the key, what was got and what is expected.
    """
    if value is None or value is False:
        return value
    if not isinstance(value, dict):
        raise CallerError(
            f"'steering' must be an object or false, got {_shown(value)}",
            code="invalid_steering",
            param=PARAM,
        )
    try:
        return SteeringRequest.model_validate(value)
    except ValidationError as error:
        raise _explain(error) from error


def _explain(error: ValidationError) -> CallerError:
    first = error.errors(include_url=False)[0]
    path, model = _path_and_model([str(part) for part in first["loc"]])
    where = ".".join([PARAM, *path])[:MAX_ECHO]
    if first["type"] == "extra_forbidden":
        what = "a steering object" if model is SteeringRequest else f"{'.'.join(path[:-1])!r}"
        message = f"unknown key {where!r}; {what} has: {', '.join(model.model_fields)}"
        return CallerError(message, code="unknown_key", param=where)
    message = f"invalid value at {where!r}: {first['msg'].removeprefix('Value error, ')}"
    if not isinstance(first.get("input"), dict | list) and first["type"] != "value_error":
        message += f", got {_shown(first.get('input'))}"
    code = "invalid_steering"
    if path[:1] == ["vectors"]:
        code = "invalid_alpha" if len(path) > 1 else "invalid_vectors"
    return CallerError(message, code=code, param=where)


def _path_and_model(path: list[str]) -> tuple[list[str], type[BaseModel]]:
    """Returns the path as the caller wrote it, without the schedule's tag, and whose keys it has.

    pydantic puts the tag of a tagged union into the path: `schedule.linear.tokens`.
    """
    if len(path) > 1 and path[0] == "schedule":
        return [path[0], *path[2:]], _SCHEDULES.get(path[1], Constant)
    return path, SteeringRequest


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_ECHO else text[:MAX_ECHO] + "..."
