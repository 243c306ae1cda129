"""Looking after a registry: is everything there what it says, and what nobody needs any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal

from ..errors import OperatorError, SteersmanError
from ..formats import native
from .entry import VectorEntry
from .layout import version_field
from .reader import BLOB_MISSING, RegistryReader
from .snapshot import RegistrySnapshot

BATCH = 32
Progress = Callable[[int, int], None]
"""Called with (versions checked, versions in all)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the registry that is not as it should be."""

    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """A blob that no usable version needs."""

    kind: Literal["vector", "data"]
    """`data`: a file beside versions."""
    digest: str
    size: int
    """In bytes."""
    reason: str


async def verify(
    reader: RegistryReader, snapshot: RegistrySnapshot, *, progress: Progress | None = None
) -> tuple[Problem, ...]:
    """Returns what is wrong: every blob against its digest, every card, every alias.

    The bytes of retired versions may have been collected.
    """
    problems = list(_lost_aliases(snapshot))
    entries = snapshot.entries()
    done = 0
    for batch in _batches(entries):
        blobs = await reader.blobs([entry.digest for entry in batch])
        for entry, data in zip(batch, blobs, strict=True):
            wrong = await asyncio.to_thread(_wrong, entry, data)
            if wrong is not None:
                problems.append(Problem(f"{entry} of {entry.fingerprint}", wrong))
        done += len(batch)
        if progress is not None:
            progress(done, len(entries))
    orphans = set(await reader.blob_sizes()).difference(entry.digest for entry in entries)
    for orphan in sorted(orphans):
        (data,) = await reader.blobs([orphan])
        if isinstance(data, OperatorError):
            problems.append(Problem(f"blob {orphan}, of no version", data.message))
    problems += await _wrong_files(reader, snapshot)
    return tuple(problems)


async def garbage(
    reader: RegistryReader, snapshot: RegistrySnapshot, *, now: datetime, keep_for: timedelta
) -> tuple[Garbage, ...]:
    """Returns the blobs that no version has, or only versions retired longer than `keep_for`."""
    needed: set[str] = set()
    old: dict[str, VectorEntry] = {}
    for entry in snapshot.entries():
        if entry.retired is not None and now - entry.retired.at > keep_for:
            old[entry.digest] = entry
        else:
            needed.add(entry.digest)
    beside = await reader.all_attached()
    files_needed: set[str] = set()
    files_old: dict[str, VectorEntry] = {}
    for entry in snapshot.entries():
        for file in beside.get(_field(entry), {}).values():
            if entry.retired is not None and now - entry.retired.at > keep_for:
                files_old[file.digest] = entry
            else:
                files_needed.add(file.digest)
    return (
        *_unneeded("vector", await reader.blob_sizes(), needed, old),
        *_unneeded("data", await reader.data_sizes(), files_needed, files_old),
    )


def _unneeded(
    kind: Literal["vector", "data"],
    sizes: Mapping[str, int],
    needed: Collection[str],
    old: Mapping[str, VectorEntry],
) -> Iterator[Garbage]:
    for digest, size in sorted(sizes.items()):
        if digest not in needed:
            was = f"{old[digest]} was {old[digest].retired}" if digest in old else None
            yield Garbage(kind, digest, size, was or "no version has it")


async def _wrong_files(reader: RegistryReader, snapshot: RegistrySnapshot) -> list[Problem]:
    """Returns the files beside usable versions that are missing or damaged."""
    beside = await reader.all_attached()
    problems: list[Problem] = []
    for entry in snapshot.entries():
        for role, file in sorted(beside.get(_field(entry), {}).items()):
            (data,) = await reader.data([file.digest])
            collected = entry.retired is not None
            if isinstance(data, OperatorError) and not (collected and data.code == BLOB_MISSING):
                subject = f"{role} of {entry} of {entry.fingerprint}"
                problems.append(Problem(subject, data.message))
    return problems


def _field(entry: VectorEntry) -> str:
    return version_field(entry.fingerprint, entry.name, entry.version)


def _lost_aliases(snapshot: RegistrySnapshot) -> Iterator[Problem]:
    for (fingerprint, name), aliases in snapshot.aliases.items():
        for alias, (version, *_) in aliases.items():
            entry = snapshot.versions.get((fingerprint, name), {}).get(version)
            subject = f"{name}@{alias} of {fingerprint}"
            if entry is None:
                yield Problem(subject, f"names version {version}, which does not exist")
            elif entry.retired is not None:
                yield Problem(subject, f"names version {version}, which was {entry.retired}")


def _wrong(entry: VectorEntry, data: bytes | OperatorError) -> str | None:
    if (entry.card.name, entry.card.fingerprint) != (entry.name, entry.fingerprint):
        return f"its card is that of {entry.card.name!r} for {entry.card.fingerprint}"
    if isinstance(data, OperatorError):
        collected = entry.retired is not None and data.code == BLOB_MISSING
        return None if collected else data.message
    try:
        vector = native.loads(data)
    except SteersmanError as error:
        return error.message
    return None if vector.card == entry.card else "the card in its bytes is another"


def _batches(entries: Iterable[VectorEntry]) -> Iterator[list[VectorEntry]]:
    iterator = iter(entries)
    while batch := list(islice(iterator, BATCH)):
        yield batch
