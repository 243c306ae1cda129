"""From the options of a calibration to the step of a recipe that repeats it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from ..fingerprint import digest_of
from ..judges.named_file import named_file
from .data_file import DataFile, data_file
from .recipe import CalibrateStep
from .versions import versions

Option = str | int | float | bool | Path | Sequence[str] | None


def calibrate_step(
    options: Mapping[str, Option], *, command: str, fingerprint: str, seed: int
) -> CalibrateStep:
    """Returns the step: options as they were given, files by hash and out of the way.

    options: by their names without dashes; None for one that was not given. A path is a file of
    the step's data, and so is what a judge such as `keywords:FILE` names, if there is such a file.

    Raises `CallerError(data_unreadable)`.
    """
    data: dict[str, DataFile] = {}
    said: dict[str, JsonValue] = {}
    for option, value in options.items():
        if value is None or value is False:
            continue
        if isinstance(value, str | int | float | Path):
            said[option] = _said(option, value, data)
        else:
            said[option] = [_said(f"{option}.{k}", each, data) for k, each in enumerate(value)]
    return CalibrateStep(
        command=command,
        data=data,
        fingerprint=fingerprint,
        options=said,
        seed=seed,
        versions=versions(),
    )


def options_digest(step: Mapping[str, JsonValue]) -> str:
    """Returns what two steps share that ask for the same; step: as cards have it.

    How it was typed, what was installed and the folders of its files do not count.
    """
    said = {name: value for name, value in step.items() if name not in ("command", "versions")}
    if "data" in said:
        files = CalibrateStep.model_validate_json(json.dumps(step)).data
        said["data"] = {role: [file.name, file.sha256] for role, file in files.items()}
    return digest_of(said)


def _said(role: str, value: str | float | Path, data: dict[str, DataFile]) -> str | float:
    """Returns the value, with a file in it replaced by its role; the file is added to `data`."""
    if isinstance(value, Path):
        data[role] = data_file(value)
        return f"${{{role}}}"
    if not isinstance(value, str):
        return value
    file = named_file(value)
    if file is not None:
        data[role] = data_file(file)
        return f"{value.partition(':')[0]}:${{{role}}}"
    return value.replace("$", "$$")
