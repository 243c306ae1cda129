"""A folder of vectors, published before the server starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.registry.binding import bound_form, check_fits
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.vector import SteeringVector

from ..control import operations

PATTERN = "*/vector.safetensors"


def read_library(library: Path, shape: ModelShape) -> list[SteeringVector]:
    """Returns every `NAME/vector.safetensors` of the folder.

    Raises `CallerError` when there is none, or for one that does not fit the model.
    """
    vectors = [native.load(path) for path in sorted(library.glob(PATTERN))]
    if not vectors:
        raise CallerError(
            f"--library: no vectors in {library}; expected files {PATTERN}", code="library_empty"
        )
    for vector in vectors:
        check_fits(vector, shape)
    return vectors


def publish(vectors: Sequence[SteeringVector], *, url: str, fingerprint: str) -> list[str]:
    """Registers the vectors for the model; returns what operators should know of that.

    A vector that the registry has already stays as it is there: a start brings back nothing that
    somebody took away, and puts nothing before a version that somebody published since.
    """

    async def publish_all() -> list[str]:
        warnings: list[str] = []
        async with RegistryStore(url) as store:
            snapshot = await store.current()
            for vector in vectors:
                why_not = _why_not(snapshot, vector, fingerprint)
                if why_not is not None:
                    warnings.append(why_not)
                    continue
                registered = await operations.publish(
                    store, vector, name=vector.card.name, fingerprint=fingerprint, actor="library"
                )
                warnings += registered.warnings
        return warnings

    return asyncio.run(publish_all())


def _why_not(snapshot: RegistrySnapshot, vector: SteeringVector, fingerprint: str) -> str | None:
    """Returns why this vector is not to be published, if it is not.

    Of several versions with the same vector the newest counts: pushed back after it was retired, or
    retired after it came back.
    """
    name = vector.card.name
    _, _, digest = bound_form(vector, name=name, fingerprint=fingerprint)
    versions = [*snapshot.versions.get((fingerprint, name), {}).values()]
    held = next((entry for entry in reversed(versions) if entry.digest == digest), None)
    if held is None:
        return None
    if held.retired is not None:
        return (
            f"{held} of --library was {held.retired}; it stays so, and "
            "`steersman vectors push` brings it back"
        )
    newest = next(entry for entry in reversed(versions) if entry.retired is None)
    if newest is not held:
        return (
            f"{held} of --library is not the newest version: {newest} was published since, and "
            f"stays that. Name {held} in requests and policies, or push it again"
        )
    return None
