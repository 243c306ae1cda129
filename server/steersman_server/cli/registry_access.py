"""How commands reach the registry and choose in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from steersman_vectors.errors import CallerError
from steersman_vectors.names import VectorRef
from steersman_vectors.registry import embedded
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from .progress import fingerprint_of


def read_snapshot(data_dir: Path) -> RegistrySnapshot:
    """Returns what the registry holds; an empty snapshot, and no new folder, where there is none.

    Raises `OperatorError` when the data directory cannot be used.
    """
    if data_dir.exists() and not data_dir.is_dir():
        raise CallerError(
            f"--data-dir: {data_dir} is a file; expected a folder", code="data_dir_unusable"
        )
    if not embedded.exists(data_dir):
        return RegistrySnapshot.of(0)
    with embedded.attach_or_start(data_dir) as registry:
        return asyncio.run(_snapshot(registry.url))


def select_fingerprints(snapshot: RegistrySnapshot, model: str | None) -> frozenset[str]:
    """Returns the base models that --model selects: all, a fingerprint's prefix, or a model's own.

    Raises `CallerError(model_not_found)`.
    """
    known = frozenset(fingerprint for fingerprint, _ in snapshot.versions)
    if model is None:
        return known
    if model.startswith("sha256:"):
        found = frozenset(f for f in known if f.startswith(model))
        if not found:
            raise CallerError(
                f"no registered base model's fingerprint starts with {model[:80]!r}; registered "
                f"are: {', '.join(sorted(known)) or 'none'}",
                code="model_not_found",
            )
        return found
    return frozenset({fingerprint_of(model)})


def find_one(
    snapshot: RegistrySnapshot, ref: VectorRef, fingerprints: frozenset[str], data_dir: Path
) -> VectorEntry:
    """Returns the entry that `ref` names among these base models.

    Raises `CallerError`: `vector_not_found`, `vector_model_mismatch`, or `vector_ambiguous` when
    several base models have a vector of this name.
    """
    having = [f for f in snapshot.fingerprints_of(ref.name) if f in fingerprints]
    if len(having) > 1:
        raise CallerError(
            f"{len(having)} base models have a vector {ref.name!r}: {', '.join(having)}. "
            "Choose one with --model FOLDER, or --model with the start of its fingerprint",
            code="vector_ambiguous",
        )
    one = having or sorted(fingerprints)
    if len(one) == 1:
        return snapshot.find(ref, one[0])
    names = sorted({name for _, name in snapshot.versions})
    raise CallerError(
        f"no vector {ref.name!r} in {data_dir}; registered are: {', '.join(names) or 'none'}",
        code="vector_not_found",
    )


async def _snapshot(url: str) -> RegistrySnapshot:
    async with RegistryStore(url) as store:
        return await store.snapshot()
