"""Looking after a registry: is everything there what it says, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from ..errors import OperatorError, SteersmanError
from ..formats import native
from .entry import VectorEntry
from .reader import RegistryReader
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

    digest: str
    size: int
    """In bytes."""
    reason: str


async def verify(
    reader: RegistryReader, snapshot: RegistrySnapshot, *, progress: Progress | None = None
) -> tuple[Problem, ...]:
    """Returns what is wrong: each version's bytes against its digest, its card, each alias.

    The bytes of retired versions may have been collected.
    """
    problems = list(_lost_aliases(snapshot))
    entries = snapshot.entries()
    done = 0
    for batch in _batches(entries):
        blobs = await reader.blobs([entry.digest for entry in batch])
        for entry, data in zip(batch, blobs, strict=True):
            wrong = _wrong(entry, data)
            if wrong is not None:
                problems.append(Problem(f"{entry} of {entry.fingerprint}", wrong))
        done += len(batch)
        if progress is not None:
            progress(done, len(entries))
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
    sizes = await reader.blob_sizes()
    return tuple(
        Garbage(digest, size, f"{old[digest]} was {old[digest].retired}" if digest in old else
                "no version has it")
        for digest, size in sorted(sizes.items())
        if digest not in needed
    )  # fmt: skip


def _lost_aliases(snapshot: RegistrySnapshot) -> Iterator[Problem]:
    for (fingerprint, name), aliases in snapshot.aliases.items():
        for alias, (version, *_) in aliases.items():
            if version not in snapshot.versions.get((fingerprint, name), {}):
                subject = f"{name}@{alias} of {fingerprint}"
                yield Problem(subject, f"names version {version}, which does not exist")


def _wrong(entry: VectorEntry, data: bytes | OperatorError) -> str | None:
    if isinstance(data, OperatorError):
        return None if entry.retired is not None else data.message
    try:
        vector = native.loads(data)
    except SteersmanError as error:
        return error.message
    return None if vector.card == entry.card else "the card in its bytes is another"


def _batches(entries: Iterable[VectorEntry]) -> Iterator[list[VectorEntry]]:
    iterator = iter(entries)
    while batch := list(islice(iterator, BATCH)):
        yield batch
