"""Importing a vector: every check first, then one atomic change of the registry."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steersman_vectors.formats.reader import VectorFile, read_vector_file
from steersman_vectors.model_dir import read_shape, resolve_model_dir
from steersman_vectors.names import check_name
from steersman_vectors.registry.binding import bind, check_fits
from steersman_vectors.registry.embedded import attach_or_start
from steersman_vectors.registry.entry import Published
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.scale import Scale

from .output import printable
from .progress import fingerprint_of
from .vector_views import entry_json


@dataclass(frozen=True, slots=True)
class Source:
    """What to import, as the command line named it."""

    file: Path
    name: str
    model: str
    scale: Scale | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read from the file, and where it ended up."""

    read: VectorFile
    published: Published


def run(source: Source, data_dir: Path, actor: str) -> Imported:
    """Returns the registered vector; raises `SteersmanError` with nothing stored."""
    check_name(source.name)
    shape = read_shape(resolve_model_dir(source.model))
    read = read_vector_file(source.file, name=source.name, scale=source.scale)
    check_fits(read.vector, shape)
    fingerprint = fingerprint_of(source.model)
    bind(read.vector, name=source.name, fingerprint=fingerprint)
    with attach_or_start(data_dir) as registry:
        published = asyncio.run(
            _publish(registry.url, read, source.name, fingerprint, printable(actor))
        )
    return Imported(read, published)


def as_json(imported: Imported) -> dict[str, Any]:
    """Returns the outcome for programs."""
    return {
        **entry_json(imported.published),
        "created": imported.published.created,
        "format": imported.read.file_format,
        "layer_rule": imported.read.layer_rule,
        "notes": list(imported.read.notes),
    }


def as_text(imported: Imported) -> str:
    """Returns the outcome for people."""
    entry, read = imported.published, imported.read
    outcome = "imported" if entry.created else "already registered, nothing was changed"
    layers = ", ".join(map(str, sorted(entry.card.layers)))
    lines = [
        f"{entry}: {outcome}",
        f"  model   {entry.fingerprint}",
        f"  layers  {layers}   ({read.file_format}: {read.layer_rule})",
        f"  scale   {entry.card.scale}",
        f"  digest  {entry.digest}",
        *(f"  note    {note}" for note in read.notes),
    ]
    return "\n".join(lines)


async def _publish(
    url: str, read: VectorFile, name: str, fingerprint: str, actor: str
) -> Published:
    async with RegistryStore(url) as store:
        return await store.publish(read.vector, name=name, fingerprint=fingerprint, actor=actor)
