"""Imports the shipped vectors into the demo's registry."""

from __future__ import annotations

import asyncio
from pathlib import Path

from steersman_vectors.formats import native
from steersman_vectors.model_dir import read_shape
from steersman_vectors.registry.binding import check_fits
from steersman_vectors.registry.embedded import attach_or_start
from steersman_vectors.registry.store import RegistryStore

from ..cli.progress import fingerprint_of


def import_library(library: Path, model: Path, data_dir: Path) -> None:
    """Publishes every `NAME/vector.safetensors` of the library for the model; twice does no harm.

    Raises `CallerError` for a vector that does not fit the model.
    """
    digest = fingerprint_of(str(model))
    shape = read_shape(model)
    vectors = [native.load(path) for path in sorted(library.glob("*/vector.safetensors"))]
    for vector in vectors:
        check_fits(vector, shape)

    async def publish(url: str) -> None:
        async with RegistryStore(url) as store:
            for vector in vectors:
                await store.publish(vector, name=vector.card.name, fingerprint=digest, actor="demo")

    with attach_or_start(data_dir) as registry:
        asyncio.run(publish(registry.url))
