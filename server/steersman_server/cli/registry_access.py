"""How commands reach the registry and choose in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from steersman_vectors.errors import CallerError
from steersman_vectors.names import VectorRef
from steersman_vectors.registry import embedded
from steersman_vectors.registry.connection import without_secrets
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from ..control.operations import Choose
from .followers import unfollowed
from .output import print_warning
from .progress import fingerprint_of

if TYPE_CHECKING:
    from ..configuration import Configuration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Where:
    """Which registry a command works on: a Redis, or the private one of a data directory."""

    data_dir: Path
    redis_url: str | None = None

    def __str__(self) -> str:
        return str(self.data_dir) if self.redis_url is None else without_secrets(self.redis_url)

    @property
    def exists(self) -> bool:
        """Returns whether there is a registry to read; a Redis is there or fails by itself."""
        return self.redis_url is not None or embedded.exists(self.data_dir)

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Gives the URL at which the registry answers meanwhile; starts a private one if need be.

        Raises `OperatorError` when the data directory cannot be used.
        """
        if self.redis_url is not None:
            yield self.redis_url
            return
        with embedded.attach_or_start(self.data_dir) as registry:
            yield registry.url


def run(
    where: Where, operation: Callable[[RegistryStore], Awaitable[T]], *, may_be_first: bool = False
) -> T:
    """Returns what the operation returns on the registry, made for it where there was none.

    may_be_first: it is what a registry begins with; else a new one is a warning, as a data
    directory that was mistyped has none. That a server there does not follow it is another.
    """
    made = not (may_be_first or where.exists)
    found, stray = change(where, operation)
    if made:
        print_warning(
            f"there was no registry in {where}, so a new one was made: is it the right --data-dir?"
        )
    if stray is not None:
        print_warning(stray)
    return found


def change(
    where: Where, operation: Callable[[RegistryStore], Awaitable[T]]
) -> tuple[T, str | None]:
    """Returns what the operation returns, and which servers of a private registry do not follow."""

    async def changed(store: RegistryStore) -> tuple[T, str | None]:
        found = await operation(store)
        return found, None if where.redis_url else await unfollowed(where.data_dir, store)

    return _do(where, changed)


def look(where: Where, operation: Callable[[RegistryStore], Awaitable[T]]) -> T:
    """Returns what an operation that only reads returns; creates no registry for it.

    Raises `CallerError(registry_missing)` where there is none.
    """
    if not where.exists:
        raise CallerError(
            f"there is no registry in {where}; name one with --data-dir or --redis-url",
            code="registry_missing",
        )
    return _do(where, operation)


def read_snapshot(where: Where) -> RegistrySnapshot:
    """Returns what the registry holds; an empty snapshot, and no new folder, where there is none.

    Raises `OperatorError` when the data directory cannot be used.
    """
    if not where.exists and not where.data_dir.is_file():
        return RegistrySnapshot.of(0)
    return _do(where, lambda store: store.snapshot())


def read_view(where: Where) -> tuple[RegistrySnapshot, Configuration]:
    """Returns the registry, and what operators have configured in it; nothing where there is none.

    Raises what `read_snapshot` raises, and `OperatorError(registry_corrupt)`.
    """
    from ..configuration import Configuration

    snapshot = read_snapshot(where)
    return snapshot, Configuration.of(snapshot.documents)


def read_configuration(where: Where) -> Configuration:
    """Returns what operators have configured."""
    return read_view(where)[1]


async def models_of(store: RegistryStore, model: str | None) -> frozenset[str]:
    """Returns the base models that --model names; none when it is not given.

    Raises what `select_fingerprints` raises.
    """
    return frozenset() if model is None else select_fingerprints(await store.current(), model)


def chooser(model: str | None, where: Where) -> Choose:
    """Returns what finds the version that a reference names among the base models of --model."""

    def choose(snapshot: RegistrySnapshot, ref: VectorRef) -> VectorEntry:
        return find_one(snapshot, ref, select_fingerprints(snapshot, model), where)

    return choose


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
    return frozenset({fingerprint_of(model).digest})


def find_one(
    snapshot: RegistrySnapshot, ref: VectorRef, fingerprints: frozenset[str], where: Where
) -> VectorEntry:
    """Returns the entry that `ref` names among these base models, a retired one too.

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
        return snapshot.find_any(ref, one[0])
    names = sorted({name for _, name in snapshot.versions})
    raise CallerError(
        f"no vector {ref.name!r} in {where}; registered are: {', '.join(names) or 'none'}",
        code="vector_not_found",
    )


def _do(where: Where, operation: Callable[[RegistryStore], Awaitable[T]]) -> T:
    with where.opened() as url:
        return asyncio.run(_with_store(url, operation))


async def _with_store(url: str, operation: Callable[[RegistryStore], Awaitable[T]]) -> T:
    async with RegistryStore(url) as store:
        return await operation(store)
