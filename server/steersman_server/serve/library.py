"""A folder of vectors, published before the server starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.registry.binding import bound_form, check_fits
from steersman_vectors.registry.entry import VectorEntry
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

    Those that are the newest version of their name already stay that. One that was retired stays
    so: a start must not bring back what somebody took away.
    """

    async def publish_all() -> list[str]:
        warnings: list[str] = []
        async with RegistryStore(url) as store:
            snapshot = await store.current()
            for vector in vectors:
                retired = _retired_as(snapshot, vector, fingerprint)
                if retired is not None:
                    warnings.append(
                        f"{retired} of --library was {retired.retired}; it stays so, and "
                        "`steersman vectors push` brings it back"
                    )
                    continue
                registered = await operations.publish(
                    store, vector, name=vector.card.name, fingerprint=fingerprint, actor="library"
                )
                warnings += registered.warnings
        return warnings

    return asyncio.run(publish_all())


def _retired_as(
    snapshot: RegistrySnapshot, vector: SteeringVector, fingerprint: str
) -> VectorEntry | None:
    """Returns the version that holds this vector, if it was retired; None where there is none.

    Of several the newest counts: pushed back after it was retired, or retired after it came back.
    """
    name = vector.card.name
    _, _, digest = bound_form(vector, name=name, fingerprint=fingerprint)
    same = [
        entry
        for entry in snapshot.versions.get((fingerprint, name), {}).values()
        if entry.digest == digest
    ]
    newest = same[-1] if same else None
    return None if newest is None or newest.retired is None else newest
