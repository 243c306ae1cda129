"""Making one vector again: data, extraction, calibration, file, registry, what moved."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steersman_vectors.calibrate.record import Calibration
from steersman_vectors.compare import LayerComparison, compare
from steersman_vectors.compare_cards import CardComparison, compare_cards
from steersman_vectors.errors import OperatorError
from steersman_vectors.extract.again import Changed, order_again
from steersman_vectors.extract.run import extract
from steersman_vectors.extract.sources import find_source
from steersman_vectors.formats import native
from steersman_vectors.recipe.recipe import CalibrateStep, recipe_on, with_calibration
from steersman_vectors.registry.attached import CALIBRATION, REPORT, Upload
from steersman_vectors.report.contents import Contents
from steersman_vectors.report.page import page
from steersman_vectors.vector import SteeringVector
from steersman_vectors.whole_file import write_whole

from ..control import operations
from ..control.operations import Registered
from . import extract_inputs
from .output import printable
from .push_files import as_upload, uploads_of
from .rebuild_calibration import calibrate_again, record_of
from .rebuild_inputs import Old
from .registry_access import Where, run
from .vector_export import write_files


@dataclass(frozen=True, slots=True)
class Task:
    """How the vectors are made again."""

    model: str
    """As it was named."""
    model_dir: Path
    fingerprint: str
    where: Where
    changed: Changed
    push: bool
    alias: str | None
    actor: str
    report: bool | None = None
    """Whether a report is made; None: where the old version has one and the new one is pushed."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A vector made again, and what moved."""

    old: Old
    vector: SteeringVector
    digest: str
    out: Path | None
    report: Path | None
    """Written beside the file, where it was asked for."""
    registered: Registered | None
    layers: tuple[LayerComparison, ...]
    moved: CardComparison
    notes: tuple[str, ...]


def rebuild(old: Old, task: Task, out: Path | None, workdir: Path) -> Rebuilt:
    """Returns the vector made again from its recipe.

    What is done is kept below `workdir`, so that an attempt that was ended goes on from there; the
    folder is removed at the end. out: a file that is written; None: none.
    """
    paths = write_files(_named(old), workdir / "data", force=True)
    made = extracted = _extracted(old, task, paths, workdir)
    notes = list(old.notes)
    if old.entry.retired is not None:
        why = f": {printable(old.entry.retired.reason)}" if old.entry.retired.reason else ""
        notes.append(f"{old.entry} is retired{why}; so look before you use what was made of it")
    record: bytes | None = None
    if old.recipe.calibration is not None:
        made, record = _calibrated(old.recipe.calibration, task, made, paths, workdir)
    elif old.entry.card.presets:
        notes.append(
            "the new vector has no presets: those of the old one were measured on its base model; "
            "calibrate it before anybody doses it by them"
        )
    found = None if record is None else Calibration.model_validate_json(record)
    if found is not None and found.why_none is not None:
        notes.append(f"the new vector has no presets: {found.why_none}")
    if "joint" in old.entry.card.quality:
        notes.append(
            "which presets of other vectors go with it is not repeated: calibrate them together "
            "with `steersman vectors calibrate --with`"
        )
    data = native.dumps(made)
    digest = native.digest(data)
    report: bytes | None = None
    if old.reported and task.push if task.report is None else task.report:
        report = page(Contents(made.card, digest, found, extracted=extracted.card))
    elif old.reported or task.push:
        notes.append("no report was made: --report makes one, and pushes it with --push")
    # Beside the file only where it was asked for: there nobody has to expect it.
    report_file = out.with_suffix(".html") if out is not None and task.report else None
    if out is not None:
        _write(out, data)
    if report_file is not None and report is not None:
        _write(report_file, report)
    registered = _pushed(old, task, data, record, report) if task.push else None
    shutil.rmtree(workdir, ignore_errors=True)
    return Rebuilt(
        old, made, digest, out, report_file, registered, compare(old.vector, made),
        compare_cards(old.vector.card, made.card, old.calibration, found), tuple(notes),
    )  # fmt: skip


def _extracted(old: Old, task: Task, paths: Mapping[str, Path], workdir: Path) -> SteeringVector:
    """Returns what the recipe's extraction finds, with what the old card tells of the vector."""
    step, card = old.recipe.extract, old.entry.card
    with extract_inputs.stage("Reading pairs", "bytes") as progress:
        order = order_again(
            step,
            {role: paths[f"extract.{role}"] for role in step.data},
            model_dir=task.model_dir,
            name=card.name,
            command=shlex.join(["steersman", *sys.argv[1:]]),
            changed=task.changed,
            progress=progress,
        )
    made = extract(
        order,
        workdir / "states",
        open_source=find_source(order.backend),
        stage=extract_inputs.stage,
        others=lambda digest: extract_inputs.registered(task.where, digest, card.name),
    ).vector
    told = {"description": card.description, "license": card.license}
    return SteeringVector(made.card.model_copy(update=told), made.directions)


def _calibrated(
    step: CalibrateStep,
    task: Task,
    made: SteeringVector,
    paths: Mapping[str, Path],
    workdir: Path,
) -> tuple[SteeringVector, bytes]:
    """Returns the vector with presets, and the record of how they were found."""
    extracted, out = workdir / "extracted.safetensors", workdir / "calibrated.safetensors"
    record, data = record_of(out), native.dumps(made)
    same = extracted.exists() and extracted.read_bytes() == data
    if not (same and out.exists() and record.exists()):
        for left in (out, record):
            left.unlink(missing_ok=True)
        write_whole(extracted, data)
        calibrate_again(
            step, extracted, {role: paths[f"calibration.{role}"] for role in step.data},
            model=task.model, out=out,
        )  # fmt: skip
    return _told(native.load(out), step), record.read_bytes()


def _told(made: SteeringVector, step: CalibrateStep) -> SteeringVector:
    """Returns the calibrated vector; its recipe names the files as people know them.

    Calibration saw them in our working folder, which is gone at the end.
    """
    recipe = recipe_on(made.card)
    if recipe.calibration is None:
        return made
    known = {**recipe.calibration.data, **step.data}
    again = recipe.calibration.model_copy(
        update={"data": {role: known[role] for role in recipe.calibration.data}}
    )
    card = made.card.model_copy(update={"recipe": with_calibration(recipe, again)})
    return SteeringVector(card, made.directions)


def _pushed(
    old: Old, task: Task, data: bytes, record: bytes | None, report: bytes | None
) -> Registered:
    uploads: dict[str, Upload] = uploads_of(old.recipe.data, old.data)
    if record is not None:
        uploads[CALIBRATION] = as_upload(record, f"{old.entry.name}.calibration.json")
    if report is not None:
        uploads[REPORT] = as_upload(report, f"{old.entry.name}.html")
    return run(
        task.where,
        lambda store: operations.push(
            store, data, name=old.entry.name, fingerprint=task.fingerprint,
            actor=printable(task.actor), uploads=uploads, alias=task.alias,
        ),
    )  # fmt: skip


def _named(old: Old) -> dict[str, tuple[str, bytes]]:
    """Returns (name, bytes) of the recipe's files; a judge may be called after its file."""
    return {role: (file.name, old.data[role]) for role, file in old.recipe.data.items()}


def _write(out: Path, data: bytes) -> None:
    try:
        write_whole(out, data)
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"cannot write {path}: {error.strerror or error}. Make room, or name another folder with "
        "--workdir",
        code="workdir_unusable",
    )
