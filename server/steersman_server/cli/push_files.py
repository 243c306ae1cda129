"""What `vectors push` publishes beside a vector: its recipe's data, its calibration, its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.recipe.data_file import DataFile, find
from steersman_vectors.recipe.recipe import read_recipe
from steersman_vectors.registry.attached import (
    CALIBRATION,
    MAX_FILE_BYTES,
    REPORT,
    Attachment,
    Upload,
)

if TYPE_CHECKING:
    from steersman_vectors.card import VectorCard

MAX_NAMED = 8


def recipe_uploads(card: VectorCard, beside: Path, folders: Iterable[Path]) -> dict[str, Upload]:
    """Returns the files that the card's recipe names, each with the bytes that its hash says.

    They are looked for where they were, beside the vector, then by content in the folders.

    Raises `CallerError`: `data_missing` when one is nowhere or has changed, and what `read_recipe`
    raises.
    """
    recipe = read_recipe(card.recipe)
    if recipe is None:
        return {}
    wanted = recipe.data
    found = find(wanted, folders, beside)
    lacking = {role: file for role, file in wanted.items() if role not in found}
    if lacking:
        raise data_missing(lacking)
    return uploads_of(wanted, found)


def uploads_of(wanted: Mapping[str, DataFile], found: Mapping[str, bytes]) -> dict[str, Upload]:
    """Returns the files with their bytes, to be attached by role."""
    return {
        role: Upload(Attachment(file.name, file.sha256, file.size), found[role])
        for role, file in wanted.items()
    }


def data_missing(lacking: Mapping[str, DataFile], *, rebuilding: bool = False) -> CallerError:
    """Returns the error for files that a recipe names and that nobody has."""
    told = [f"{role}: {_lost(file)}" for role, file in list(lacking.items())[:MAX_NAMED]]
    more = f" and {len(lacking) - MAX_NAMED} more" if len(lacking) > MAX_NAMED else ""
    else_ = "" if rebuilding else ", or push without them with --no-data"
    return CallerError(
        f"the recipe's data are not all here: {'; '.join(told)}{more}. Name a folder that has them "
        f"with --data DIR (file names do not matter, content does){else_}",
        code="data_missing",
        param="data",
    )


def record_uploads(
    card: VectorCard, calibration: Path | None, report: Path | None
) -> dict[str, Upload]:
    """Returns what calibration found and its report, checked against the vector's card.

    Raises `CallerError`: `calibration_invalid`, `calibration_mismatch`, `data_unreadable`.
    """
    uploads: dict[str, Upload] = {}
    if calibration is not None:
        upload = _upload(calibration)
        _check_calibration(card, calibration, upload.data)
        uploads[CALIBRATION] = upload
    if report is not None:
        uploads[REPORT] = _upload(report)
    return uploads


def as_upload(data: bytes, name: str) -> Upload:
    """Returns bytes to be attached under a file name."""
    return Upload(Attachment(name, native.digest(data), len(data)), data)


def _upload(path: Path) -> Upload:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CallerError(
            f"cannot read {path}: {error.strerror or error}. Expected a file that can be read",
            code="data_unreadable",
        ) from error
    return as_upload(data, path.name)


def _check_calibration(card: VectorCard, path: Path, data: bytes) -> None:
    from pydantic import ValidationError

    from steersman_vectors.calibrate.record import Calibration

    try:
        record = Calibration.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CallerError(
            f"--calibration: {path} is not what `steersman vectors calibrate` writes: {where}: "
            f"{first['msg']}. Name its JSON file",
            code="calibration_invalid",
            param="calibration",
        ) from error
    if card.fingerprint is not None and record.fingerprint != card.fingerprint:
        raise _mismatch(path, f"the base model {record.fingerprint}", str(card.fingerprint))
    confirmed = {name: p.alpha for name, p in record.presets.items() if p.confirmed}
    on_card = {name: preset.alpha for name, preset in card.presets.items()}
    if confirmed != on_card:
        raise _mismatch(path, f"confirmed presets {confirmed}", f"the card's presets {on_card}")


def _mismatch(path: Path, got: str, expected: str) -> CallerError:
    return CallerError(
        f"--calibration: {path} is of another vector: got {got}, expected {expected}. Name the "
        "record that was written with this vector's presets",
        code="calibration_mismatch",
        param="calibration",
    )


def _lost(file: DataFile) -> str:
    """Returns how a file is lacking: gone, or something else in its place."""
    try:
        there = Path(file.path).is_file()
    except ValueError:  # a null character in a path from a card
        there = False
    now = "has other content now" if there else "is not there"
    return f"{file.path} {now} (expected {file.sha256}, {file.size:,} bytes)"
