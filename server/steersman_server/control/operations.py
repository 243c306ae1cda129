"""Operations on registered vectors: the commands and the admin API are thin skins over these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from steersman_vectors.calibrate.record import Calibration
from steersman_vectors.compare import LayerComparison, compare
from steersman_vectors.compare_cards import CardComparison, compare_cards
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.formats import native
from steersman_vectors.formats.reader import VectorFile, read_vector_bytes, read_vector_file
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.names import VectorRef, check_name
from steersman_vectors.registry.attached import CALIBRATION, Attached, Uploads
from steersman_vectors.registry.binding import check_fits
from steersman_vectors.registry.entry import AliasMove, Published, VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import Expected, RegistryStore
from steersman_vectors.registry.upkeep import Garbage, garbage
from steersman_vectors.scale import Scale
from steersman_vectors.vector import SteeringVector

from ..configuration import Configuration
from .effects import World, broken, may_name

Choose = Callable[[RegistrySnapshot, VectorRef], VectorEntry]
"""Finds the version that a reference names, among the base models that the operator means."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions and their agreement per layer."""

    a: VectorEntry
    b: VectorEntry
    layers: tuple[LayerComparison, ...]
    moved: CardComparison
    """Layer metrics and presets, where both have them; what got worse."""
    notes: tuple[str, ...] = ()
    """What could not be compared, and why."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One version, with what is kept beside it."""

    snapshot: RegistrySnapshot
    entry: VectorEntry
    attached: Attached


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a vector was published, and what its being the newest version breaks."""

    entry: Published
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Where an alias points now, and what that breaks."""

    move: AliasMove
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retired:
    """A version that is refused from now on, and what needed it."""

    entry: VectorEntry
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collected:
    """What a garbage collection removed, or would."""

    found: tuple[Garbage, ...]
    removed: bool


def read_for_model(path: Path, name: str, scale: Scale | None, shape: ModelShape) -> VectorFile:
    """Returns the vector in a file of any format, checked against a model's shape.

    Raises `CallerError`: what reading raises, `hidden_size_mismatch`, `layer_out_of_range`.
    """
    read = read_vector_file(path, name=name, scale=scale, num_layers=shape.num_layers)
    check_fits(read.vector, shape)
    return read


def read_bytes_for_model(
    data: bytes, file_name: str, name: str, scale: Scale | None, shape: ModelShape
) -> VectorFile:
    """Returns the vector in the bytes of a file that had this name; as `read_for_model`."""
    read = read_vector_bytes(data, file_name, name=name, scale=scale, num_layers=shape.num_layers)
    check_fits(read.vector, shape)
    return read


async def publish(
    store: RegistryStore, vector: SteeringVector, *, name: str, fingerprint: str, actor: str,
    uploads: Uploads = MappingProxyType({}), alias: str | None = None,
) -> Registered:  # fmt: skip
    """Publishes a vector; defaults, rules and profiles that need what was newest are warnings.

    uploads: files that belong to it. alias: is pointed at it. Raises what `RegistryStore.publish`
    raises.
    """
    before = await _world(store)
    published = await store.publish(
        vector, name=name, fingerprint=fingerprint, actor=actor, uploads=uploads, alias=alias
    )
    changed = published.created or alias is not None
    return Registered(published, await _broken(store, before, published, changed=changed))


async def push(
    store: RegistryStore, data: bytes, *, name: str | None, fingerprint: str | None, actor: str,
    shapes: Mapping[str, ModelShape] = MappingProxyType({}),
    uploads: Uploads = MappingProxyType({}), alias: str | None = None,
) -> Registered:  # fmt: skip
    """Publishes a native file under the name and base model on its card, or those given.

    shapes: of the base models that the caller knows, by fingerprint; a vector for one of them must
    fit it. uploads, alias: as `publish` has them. Raises `CallerError`: invalid_vector_file,
    `fingerprint_missing` when neither says which base model it belongs to, `vector_model_mismatch`
    when both do and differ, what `check_fits` raises.
    """
    vector = await asyncio.to_thread(native.loads, data)
    bound_to = vector.card.fingerprint or fingerprint
    if bound_to is None:
        raise CallerError(
            f"the card of {vector.card.name!r} does not say which base model it was made for. "
            "Import it with `steersman vectors import FILE --model MODEL`",
            code="fingerprint_missing",
        )
    shape = shapes.get(fingerprint or bound_to)
    if shape is not None:
        check_fits(vector, shape)
    return await publish(
        store, vector, name=name or vector.card.name, fingerprint=fingerprint or bound_to,
        actor=actor, uploads=uploads, alias=alias,
    )  # fmt: skip


async def promote(
    store: RegistryStore, ref: VectorRef, alias: str, choose: Choose, *, actor: str,
    expect: int | None = None,
) -> Moved:  # fmt: skip
    """Points the alias at the version; refused when it moved since it was last looked at.

    Defaults, rules and profiles that cannot be applied any more are warnings.
    """
    before = await _world(store)
    entry = choose(before.snapshot, ref)
    move = await store.promote(
        entry.name, entry.version, alias, fingerprint=entry.fingerprint, actor=actor,
        expected=_expected(expect, before.snapshot, entry, alias),
    )  # fmt: skip
    return Moved(move, await _broken(store, before, entry, changed=move.changed))


async def roll_back(
    store: RegistryStore, name: str, alias: str, choose: Choose, *, actor: str,
    expect: int | None = None,
) -> Moved:  # fmt: skip
    """Points the alias back at the version that it named before; warns as `promote` does."""
    check_name(name)
    before = await _world(store)
    entry = choose(before.snapshot, VectorRef(name))
    move = await store.roll_back(
        name, alias, fingerprint=entry.fingerprint, actor=actor,
        expected=_expected(expect, before.snapshot, entry, alias),
    )  # fmt: skip
    return Moved(move, await _broken(store, before, entry, changed=move.changed))


async def retire(
    store: RegistryStore, ref: VectorRef, choose: Choose, *, actor: str, reason: str
) -> Retired:
    """Refuses one version for new requests; defaults, rules and profiles in need are warnings.

    Raises `CallerError(version_missing)` when the reference names none.
    """
    if ref.version is None:
        raise CallerError(
            f"{ref} does not say which version to retire; write {ref.name}@<version>",
            code="version_missing",
        )
    before = await _world(store)
    entry = choose(before.snapshot, ref)
    retired = await store.retire(
        entry.name, entry.version, fingerprint=entry.fingerprint, actor=actor, reason=reason
    )
    return Retired(retired, await _broken(store, before, entry, changed=True))


async def show(store: RegistryStore, ref: VectorRef, choose: Choose) -> Shown:
    """Returns one version and the files beside it; reads no file."""
    snapshot = await store.current()
    entry = choose(snapshot, ref)
    return Shown(snapshot, entry, await store.attached(entry))


async def diff(store: RegistryStore, a: VectorRef, b: VectorRef, choose: Choose) -> Comparison:
    """Compares two versions: directions layer by layer, layer metrics, presets."""
    snapshot = await store.current()
    entries = choose(snapshot, a), choose(snapshot, b)
    vectors = [await read_vector(store, entry) for entry in entries]
    found = [await read_calibration(store, entry) for entry in entries]
    moved = compare_cards(entries[0].card, entries[1].card, *(record for record, _ in found))
    layers = await asyncio.to_thread(compare, *vectors)
    return Comparison(*entries, layers, moved, tuple(note for _, note in found if note))


async def read_calibration(
    store: RegistryStore, entry: VectorEntry
) -> tuple[Calibration | None, str | None]:
    """Returns what calibration found, if that is beside the version; else why it is not, if known.

    That a record is missing or written by another Steersman keeps nobody from the rest.
    """
    file = (await store.attached(entry)).get(CALIBRATION)
    if file is None:
        return None, None
    (data,) = await store.data([file.digest])
    if isinstance(data, OperatorError):
        return None, f"the calibration of {entry} cannot be compared: {data.message}"
    try:
        return await asyncio.to_thread(Calibration.model_validate_json, data), None
    except ValidationError:
        return None, f"the calibration of {entry} is written as this Steersman does not know it"


async def collect(
    store: RegistryStore, *, keep_for: timedelta, dry_run: bool, actor: str
) -> Collected:
    """Removes the bytes that no usable version needs."""
    snapshot = await store.current()
    found = await garbage(store, snapshot, now=datetime.now(UTC), keep_for=keep_for)
    if not dry_run:
        vectors, data = ([b.digest for b in found if b.kind == kind] for kind in ("vector", "data"))
        await store.remove_blobs(vectors, data, actor=actor)
    return Collected(found, removed=not dry_run)


async def read_vector(store: RegistryStore, entry: VectorEntry) -> SteeringVector:
    """Returns the registered vector with its directions."""
    return await asyncio.to_thread(native.loads, await store.blob(entry.digest))


async def read_attached(store: RegistryStore, entry: VectorEntry) -> dict[str, tuple[str, bytes]]:
    """Returns name and bytes of the files beside a version, by role.

    Raises `OperatorError` for one that is lost or damaged.
    """
    attached = await store.attached(entry)
    read = await store.data([file.digest for file in attached.values()])
    found: dict[str, tuple[str, bytes]] = {}
    for (role, file), data in zip(attached.items(), read, strict=True):
        if isinstance(data, OperatorError):
            raise data
        found[role] = (file.name, data)
    return found


async def _world(store: RegistryStore) -> World:
    snapshot = await store.current()
    return World(Configuration.of(snapshot.documents), snapshot)


async def _broken(
    store: RegistryStore, before: World, entry: VectorEntry, *, changed: bool
) -> tuple[str, ...]:
    """Returns what cannot be applied since the vector's versions or aliases changed."""
    if not changed:
        return ()
    after = replace(before, snapshot=await store.current())
    models = (entry.fingerprint,)
    return await asyncio.to_thread(broken, before, after, models, may_name(entry.name))


def _expected(
    expect: int | None, snapshot: RegistrySnapshot, entry: VectorEntry, alias: str
) -> Expected:
    """Returns what the alias must name: as the operator says (0: nothing), else as it was seen."""
    if expect is not None:
        return Expected(expect or None)
    named = snapshot.aliases.get((entry.fingerprint, entry.name), {}).get(alias)
    return Expected(None if named is None else named[0])
