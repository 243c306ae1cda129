"""Calibration as the recipe has it: `steersman vectors calibrate`, run again.

A process of its own, as it was the first time: what it leaves of an engine ends with it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from steersman_vectors.recipe.recipe import CalibrateStep

_PLACEHOLDER = re.compile(r"\$(?:\$|\{(?P<role>[^{}]+)\})")
NO_PRESETS = 1
"""How calibration ends when no setting passed: vector and record are written all the same."""


def calibrate_again(
    step: CalibrateStep, vector: Path, paths: Mapping[str, Path], *, model: str, out: Path
) -> None:
    """Calibrates the vector in a file, and writes it with its presets to `out`.

    paths: of the step's files, by role. The record is at `record_of(out)`, and what was answered
    beside it: an attempt that was ended goes on from there. Raises `CallerError` or
    `OperatorError`, `calibration_failed`.
    """
    # NOTE: what we say stands last, where it wins over any option of that name in the recipe.
    command = [
        *(sys.executable, "-m", "steersman_server.cli.main", "vectors", "calibrate", str(vector)),
        *(*arguments(step, paths), "--model", model, "--out", str(out)),
    ]
    # NOTE: stdout is the caller's, which may have promised JSON there; progress is on stderr.
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, NO_PRESETS) or not (out.exists() and record_of(out).exists()):
        raise _failed(done.returncode)


def record_of(out: Path) -> Path:
    """Returns where calibration writes its record."""
    return out.with_suffix(".calibration.json")


def arguments(step: CalibrateStep, paths: Mapping[str, Path]) -> list[str]:
    """Returns the command line of the step's options, with the files where they are now."""
    said: list[str] = []
    for option, value in step.options.items():
        said += _option(option, value, paths)
    return said


def _option(option: str, value: JsonValue, paths: Mapping[str, Path]) -> Iterator[str]:
    match value:
        case True:
            yield f"--{option}"
        case False | None:
            return
        case list():
            for each in value:
                yield from _option(option, each, paths)
        case str():
            yield f"--{option}={_with_paths(value, paths)}"
        case int() | float():
            yield f"--{option}={value}"
        case _:
            raise CallerError(
                f"the recipe's option {option} of calibration cannot be repeated: got a JSON "
                "object. Calibrate the vector with `steersman vectors calibrate`, and rebuild with "
                "--no-calibrate",
                code="recipe_invalid",
            )


def _with_paths(text: str, paths: Mapping[str, Path]) -> str:
    """Returns the text with `${ROLE}` as that file's path, and `$$` as a dollar sign."""

    def put(found: re.Match[str]) -> str:
        role = found["role"]
        if role is None:
            return "$"
        if role not in paths:
            raise CallerError(
                f"the recipe's calibration names a file {role!r} that it does not list: it was "
                "changed by hand. Calibrate the vector again",
                code="recipe_invalid",
            )
        return str(paths[role])

    return _PLACEHOLDER.sub(put, text)


def _failed(status: int) -> SteersmanError:
    message = (
        f"calibration ended with status {status}; what is wrong stands above. The extracted vector "
        "is kept: run the command again when that is put right, or with --no-calibrate"
    )
    if status in (2, 3):
        return CallerError(message, code="calibration_failed")
    return OperatorError(message, code="calibration_failed")
