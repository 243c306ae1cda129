"""Importing a vector: every check first, then one atomic change of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steersman_vectors.formats.reader import VectorFile
from steersman_vectors.model_dir import read_shape, resolve_model_dir
from steersman_vectors.names import check_name
from steersman_vectors.registry.binding import bind
from steersman_vectors.scale import Scale

from ..control.json_views import imported_json
from ..control.operations import Registered, publish, read_for_model
from . import registry_access
from .output import printable
from .progress import fingerprint_of
from .registry_access import Where


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
    registered: Registered


def run(source: Source, where: Where, actor: str) -> Imported:
    """Returns the registered vector; raises `SteersmanError` with nothing stored."""
    check_name(source.name)
    shape = read_shape(resolve_model_dir(source.model))
    read = read_for_model(source.file, source.name, source.scale, shape)
    fingerprint = fingerprint_of(source.model).digest
    bind(read.vector, name=source.name, fingerprint=fingerprint)
    registered = registry_access.run(
        where,
        lambda store: publish(
            store, read.vector, name=source.name, fingerprint=fingerprint, actor=printable(actor)
        ),
        may_be_first=True,
    )
    return Imported(read, registered)


def as_json(imported: Imported) -> dict[str, Any]:
    """Returns the outcome for programs."""
    return imported_json(imported.registered, imported.read)


def as_text(imported: Imported) -> str:
    """Returns the outcome for people."""
    entry, read = imported.registered.entry, imported.read
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
