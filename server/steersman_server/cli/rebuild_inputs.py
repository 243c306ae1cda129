"""What is made again, found and checked before an hour of work: recipes, data, names, files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steersman_vectors.calibrate.record import Calibration
from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from steersman_vectors.extract.again import check_data
from steersman_vectors.names import VectorRef
from steersman_vectors.recipe.data_file import find
from steersman_vectors.recipe.recipe import Recipe, recipe_on
from steersman_vectors.registry.attached import REPORT
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.stale import stale_vectors
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.vector import SteeringVector

from ..control.operations import read_calibration, read_vector
from .extract_inputs import check_out
from .push_files import data_missing
from .values import refused


@dataclass(frozen=True, slots=True)
class Old:
    """A registered vector that is made again, with all that it takes."""

    entry: VectorEntry
    vector: SteeringVector
    recipe: Recipe
    data: dict[str, bytes]
    """Of every file that the recipe names, by role."""
    calibration: Calibration | None
    notes: tuple[str, ...]
    reported: bool = False
    """Whether a report was published with it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which vectors are made again."""

    refs: tuple[VectorRef, ...]
    all_stale: bool
    fingerprint: str
    """Of the new base model."""
    source: frozenset[str] | None
    """Base models that the old vectors are of; None: any."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of what is wanted, and what stands in the way of the rest."""

    olds: tuple[Old, ...]
    left: tuple[str, ...]
    """Of all that is stale, what cannot be made again, and why; a line each."""


async def load(
    store: RegistryStore, wanted: Wanted, folders: Sequence[Path], *, calibrated: bool
) -> Found:
    """Returns the vectors to make again with their data.

    folders: where files are looked for by content if the registry has them not. calibrated: whether
    the files of calibration are needed too. Of vectors that were named, everything must be there;
    of all that is stale, the others are left, with the reason.

    Raises `CallerError`: what `choose` raises, `recipe_missing`, `recipe_unknown`,
    `recipe_incomplete`, `data_missing`.
    """
    snapshot = await store.current()
    entries = [choose(snapshot, ref, wanted) for ref in wanted.refs]
    if wanted.all_stale:
        entries += _stale(snapshot, wanted, {entry.name for entry in entries})
    olds: list[Old] = []
    left: list[str] = []
    for k, entry in enumerate(entries):
        try:
            olds.append(await _load(store, entry, folders, calibrated=calibrated))
        except SteersmanError as error:
            if k < len(wanted.refs):
                raise
            left.append(f"{entry}: {error.message}")
    return Found(tuple(olds), tuple(left))


def choose(snapshot: RegistrySnapshot, ref: VectorRef, wanted: Wanted) -> VectorEntry:
    """Returns the version to make again: of another base model, or of the new one if there is none.

    Raises `CallerError`: `vector_ambiguous`, and what `RegistrySnapshot.find_any` raises.
    """
    having = [
        of
        for of in snapshot.fingerprints_of(ref.name)
        if wanted.source is None or of in wanted.source
    ]
    others = [of for of in having if of != wanted.fingerprint] or having
    if len(others) > 1:
        raise CallerError(
            f"{len(others)} other base models have a vector {ref.name!r}: {', '.join(others)}. "
            "Choose one with --from FOLDER, or --from with the start of its fingerprint",
            code="vector_ambiguous",
            param="from",
        )
    if not others:
        names = ", ".join(sorted({name for _, name in snapshot.versions})) or "none"
        raise CallerError(
            f"no vector {ref.name!r} is registered"
            f"{'' if wanted.source is None else ' for the base model of --from'}; registered are: "
            f"{names}",
            code="vector_not_found",
        )
    return snapshot.find_any(ref, others[0])


def places(
    olds: Sequence[Old],
    out: Path | None,
    workdir: Path | None,
    *,
    push: bool,
    force: bool,
    report: bool = False,
) -> list[tuple[Path | None, Path]]:
    """Returns the file (or None) and the working folder of each vector.

    Raises `CallerError` where a file cannot be written, before anything else is done.
    """
    several = len(olds) > 1
    if several and out is not None and not out.is_dir():
        raise refused("--out", out, "a folder that exists, for several vectors")
    found: list[tuple[Path | None, Path]] = []
    for old in olds:
        name = old.entry.name
        here = Path(f"{name}.safetensors")
        file = out / here if out is not None and out.is_dir() else (out or here)
        written = None if push and out is None else file
        if written is not None:
            check_out(written, force=force)
            if report:
                check_out(written.with_suffix(".html"), force=force)
        beside = file.with_name(f"{file.name}.rebuild")
        found.append((written, beside if workdir is None else workdir / name))
    return found


def _stale(snapshot: RegistrySnapshot, wanted: Wanted, named: Iterable[str]) -> list[VectorEntry]:
    """Returns the versions that the new model has nothing for, one of each name.

    Of several, the one that an alias names goes before the newest: it is the one in use.
    """
    chosen: dict[str, VectorEntry] = {}
    found = [s for s in stale_vectors(snapshot, wanted.fingerprint) if not s.made_again]
    for stale in sorted(found, key=lambda stale: not stale.aliases):
        of = stale.entry.fingerprint
        if stale.entry.name not in named and (wanted.source is None or of in wanted.source):
            chosen.setdefault(stale.entry.name, stale.entry)
    return [chosen[name] for name in sorted(chosen)]


async def _load(
    store: RegistryStore, entry: VectorEntry, folders: Sequence[Path], *, calibrated: bool
) -> Old:
    recipe = recipe_on(entry.card)
    check_data(recipe.extract)
    used = recipe if calibrated else recipe.model_copy(update={"calibration": None})
    calibration, note = await read_calibration(store, entry)
    return Old(
        entry,
        await read_vector(store, entry),
        used,
        await _data(store, entry, used, folders),
        calibration,
        () if note is None else (note,),
        reported=REPORT in await store.attached(entry),
    )


async def _data(
    store: RegistryStore, entry: VectorEntry, recipe: Recipe, folders: Sequence[Path]
) -> dict[str, bytes]:
    """Returns the recipe's files: from the registry, else by content from disk."""
    wanted = recipe.data
    kept = {file.digest for file in (await store.attached(entry)).values()}
    there = [role for role, file in wanted.items() if file.sha256 in kept]
    read = await store.data([wanted[role].sha256 for role in there])
    found = {
        role: data
        for role, data in zip(there, read, strict=True)
        if not isinstance(data, OperatorError)
    }
    lacking = {role: file for role, file in wanted.items() if role not in found}
    found |= find(lacking, folders)
    lacking = {role: file for role, file in wanted.items() if role not in found}
    if lacking:
        raise data_missing(lacking, rebuilding=True)
    return found
