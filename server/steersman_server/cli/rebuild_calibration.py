"""Calibration as the recipe has it: `steersman vectors calibrate`, run again.

A process of its own, as it was the first time: what it leaves of an engine ends with it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from pydantic import JsonValue

from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from steersman_vectors.recipe.recipe import CalibrateStep

WROTE_VECTOR = "--out"
WROTE_RECORD = "--record"


def calibrate_again(
    step: CalibrateStep, vector: Path, paths: Mapping[str, Path], *, model: str, out: Path,
    record: Path,
) -> None:  # fmt: skip
    """Calibrates the vector in a file, and writes it with its presets, and the record beside it.

    paths: of the step's files, by role. What was measured before it was ended is not measured
    again. Raises `CallerError` or `OperatorError`, `calibration_failed`.
    """
    written = (WROTE_VECTOR, str(out), WROTE_RECORD, str(record), "--force")
    command = [
        *(sys.executable, "-m", "steersman_server.cli.main", "vectors", "calibrate", str(vector)),
        *("--model", model, *written, *arguments(step, paths)),
    ]
    # NOTE: stdout is the caller's, which may have promised JSON there; progress is on stderr.
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise _failed(done.returncode)


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
    return Files(text).safe_substitute({role: str(path) for role, path in paths.items()})


class Files(Template):
    """`${ROLE}` as the path of that file; roles may hold dots, dashes and digits."""

    delimiter = "$"
    pattern = r"""
        \$(?:
            (?P<escaped>\$) |
            {(?P<braced>[a-zA-Z0-9_.-]+)} |
            (?P<named>(?!)) |
            (?P<invalid>(?!))
        )
    """  # type: ignore[assignment]


def _failed(status: int) -> SteersmanError:
    message = (
        f"calibration ended with status {status}; what is wrong stands above. The extracted vector "
        "is kept: run the command again when that is put right, or with --no-calibrate"
    )
    if status in (2, 3):
        return CallerError(message, code="calibration_failed")
    return OperatorError(message, code="calibration_failed")
