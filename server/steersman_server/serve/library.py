"""A folder of vectors, published before the server starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.registry.binding import check_fits
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.vector import SteeringVector

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


def publish(vectors: Sequence[SteeringVector], *, url: str, fingerprint: str) -> None:
    """Registers the vectors for the model; those that are its newest version already stay that."""

    async def publish_all() -> None:
        async with RegistryStore(url) as store:
            for vector in vectors:
                name = vector.card.name
                await store.publish(vector, name=name, fingerprint=fingerprint, actor="library")

    asyncio.run(publish_all())
