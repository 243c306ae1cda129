"""The registry's changes on Redis or Valkey; each is one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast

from redis.asyncio.client import Pipeline

from ..errors import CallerError
from ..names import VectorRef, check_name
from ..vector import SteeringVector
from . import changes, documents, layout
from .attached import Uploads, attach, check_sizes, decode
from .binding import bound_form
from .connection import translated
from .entry import AliasMove, Published, Retirement, VectorEntry
from .reader import RegistryReader
from .transaction import Change, Decide, commit


@dataclass(frozen=True, slots=True)
class Expected:
    """What a writer saw: the change is refused when it is no longer so."""

    version: int | None
    """That an alias names; None when there is no such alias."""


class RegistryStore(RegistryReader):
    """The registry at a Redis URL, for those who change it."""

    async def publish(
        self, vector: SteeringVector, *, name: str, fingerprint: str, actor: str,
        uploads: Uploads = MappingProxyType({}), alias: str | None = None,
    ) -> Published:  # fmt: skip
        """Returns the version of `name` that holds this vector; a new one unless the newest does.

        The stored card carries name and fingerprint. Bytes whose newest version is retired are
        published as a new one: that is how they are brought back.

        uploads: files that belong to the version; one that is there already keeps its others.
        alias: is pointed at the version. All of it happens in one step, or nothing.

        Raises `CallerError`: `vector_model_mismatch` when the vector's card names another base
        model, `data_too_large`, `invalid_name`.
        """
        alias_at = None if alias is None else _alias_field(name, alias, fingerprint)
        check_sizes(uploads)
        card, data, digest = await asyncio.to_thread(
            bound_form, vector, name=name, fingerprint=fingerprint
        )
        now = datetime.now(UTC)
        entry = layout.encode_entry(digest=digest, card=card, created_at=now, actor=actor)
        field = layout.name_field(fingerprint, name)
        version, created = 0, False

        async def decide(pipe: Pipeline) -> Sequence[Change]:
            nonlocal version, created
            newest = await _hget(pipe, layout.NEWEST, field)
            number, _ = layout.decode_newest(field, newest)
            await _hget(pipe, layout.VECTORS, f"{field}/{number + 1}")
            retired = await _hget(pipe, layout.RETIRED, f"{field}/{number}")
            change, version = changes.publish(
                field, newest, digest=digest, entry=entry, data=data,
                bring_back=retired is not None,
            )  # fmt: skip
            created = change is not None
            if change is None and await pipe.get(layout.blob_key(digest)) != data:
                await pipe.set(layout.blob_key(digest), data)  # lost or damaged: put back
            attached = await _attach(pipe, f"{field}/{version}", uploads)
            moved = None
            if alias_at is not None:
                moved = changes.point(alias_at, await _alias(pipe, alias_at), version)
            return [each for each in (change, attached, moved) if each is not None]

        await self._commit(decide, actor)
        return Published.of(await self._entry(f"{field}/{version}"), created=created)

    async def promote(
        self, name: str, version: int, alias: str, *, fingerprint: str, actor: str,
        expected: Expected | None = None,
    ) -> AliasMove:  # fmt: skip
        """Points `name@alias` at a version.

        Raises `CallerError`: `vector_not_found`, `vector_retired`, `registry_conflict` when the
        alias no longer names what was expected, or `invalid_name` (an alias of digits only would be
        read as a version).
        """
        field = _alias_field(name, alias, fingerprint)
        before: tuple[int, ...] = ()

        async def decide(pipe: Pipeline) -> Change | None:
            nonlocal before
            await _check_usable(pipe, VectorRef(name, version=version), fingerprint)
            before = await _alias(pipe, field)
            _check_expected(f"{name}@{alias}", before, expected)
            return changes.point(field, before, version)

        try:
            await self._commit(decide, actor)
        except _UnusableError:
            (await self.current()).find(VectorRef(name, version=version), fingerprint)
            raise
        return AliasMove(name, alias, version, before[0] if before else None)

    async def roll_back(
        self, name: str, alias: str, *, fingerprint: str, actor: str,
        expected: Expected | None = None,
    ) -> AliasMove:  # fmt: skip
        """Points `name@alias` back at the last version it named that is not retired.

        Raises `CallerError`: `nothing_to_roll_back`, `registry_conflict`, `invalid_name`.
        """
        field = _alias_field(name, alias, fingerprint)
        before: tuple[int, ...] = ()
        after = 0

        async def decide(pipe: Pipeline) -> Change | None:
            nonlocal before, after
            before = await _alias(pipe, field)
            _check_expected(f"{name}@{alias}", before, expected)
            usable = [v for v in before if not await _is_retired(pipe, fingerprint, name, v)]
            change = changes.roll_back(field, before, usable)
            after = int(change.after.split()[0])
            return change

        await self._commit(decide, actor)
        return AliasMove(name, alias, after, before[0])

    async def retire(
        self, name: str, version: int, *, fingerprint: str, actor: str, reason: str = ""
    ) -> VectorEntry:
        """Refuses a version for new requests; returns it. One that is retired stays as it was.

        Raises `CallerError`: `vector_not_found`, or `version_in_use` while an alias names it.
        """
        check_name(name)
        field = layout.version_field(fingerprint, name, version)
        retirement = Retirement(datetime.now(UTC), actor, reason)

        async def decide(pipe: Pipeline) -> Change | None:
            if await _hget(pipe, layout.VECTORS, field) is None:
                raise _UnusableError
            if await _hget(pipe, layout.RETIRED, field) is not None:
                return None
            aliases = await cast(Awaitable[dict[bytes, bytes]], pipe.hgetall(layout.ALIASES))
            _check_unnamed(aliases, fingerprint, name, version)
            return changes.retire(field, retirement)

        try:
            await self._commit(decide, actor)
        except _UnusableError:
            (await self.current()).find_any(VectorRef(name, version=version), fingerprint)
            raise
        return (await self.current()).find_any(VectorRef(name, version=version), fingerprint)

    async def write_documents(self, decide: documents.Decide, *, actor: str) -> int | None:
        """Returns the revision after the writes that `decide` wants; None when all was so already.

        decide: from the documents that are there to the writes, which are made together or not at
        all; it may be asked again when somebody else was faster, and may raise to refuse.
        """

        async def decide_on(pipe: Pipeline) -> Sequence[Change]:
            stored = await cast(Awaitable[dict[bytes, bytes]], pipe.hgetall(layout.DOCUMENTS))
            there = layout.decode_documents(stored)
            return documents.changes_of(there, decide(there))

        return await self._commit(decide_on, actor)

    async def remove_blobs(
        self, digests: Sequence[str], data: Sequence[str] = (), *, actor: str
    ) -> None:
        """Removes the bytes of blobs that no version in use has; see `upkeep`.

        data: digests of files beside versions. Raises `CallerError(registry_conflict)` when a
        version that is in use has come to need one.
        """

        async def decide(pipe: Pipeline) -> Change | None:
            there = await cast(Awaitable[dict[bytes, bytes]], pipe.hgetall(layout.VECTORS))
            retired = set(await cast(Awaitable[list[bytes]], pipe.hkeys(layout.RETIRED)))
            attached = await cast(Awaitable[dict[bytes, bytes]], pipe.hgetall(layout.ATTACHED))
            entries = [layout.decode_entry(f, v) for f, v in there.items() if f not in retired]
            needed = {entry.digest for entry in entries}
            beside = {
                file.digest
                for field, value in attached.items()
                if field not in retired
                for file in decode(field, value).values()
            }
            if needed.intersection(digests) or beside.intersection(data):
                raise CallerError(
                    "somebody published bytes that were to be removed: nothing was removed. Run "
                    "it again",
                    code="registry_conflict",
                )
            return changes.collect(digests, data) if digests or data else None

        await self._commit(decide, actor)

    async def _commit(self, decide: Decide, actor: str) -> int | None:
        with translated(self._url):
            return await commit(self._bulk, decide, actor=actor)


class _UnusableError(CallerError):
    """A version that is not there or retired; the snapshot says it better."""

    def __init__(self) -> None:
        super().__init__("the version cannot be used", code="registry_conflict")


def _alias_field(name: str, alias: str, fingerprint: str) -> str:
    check_name(name)
    if check_name(alias, what="alias").isdigit():
        raise CallerError(
            f"invalid alias: got {alias!r}, expected a letter in it, such as 'prod'",
            code="invalid_name",
        )
    return layout.alias_field(fingerprint, name, alias)


def _check_expected(what: str, before: tuple[int, ...], expected: Expected | None) -> None:
    now = before[0] if before else None
    if expected is not None and now != expected.version:
        was = "nothing" if expected.version is None else f"version {expected.version}"
        names = "nothing" if now is None else f"version {now}"
        raise CallerError(
            f"somebody else moved {what} in the meantime: it names {names} now, expected {was}. "
            "Nothing was changed; look at `steersman vectors log` and decide again",
            code="registry_conflict",
        )


def _check_unnamed(aliases: dict[bytes, bytes], fingerprint: str, name: str, version: int) -> None:
    decoded = dict(layout.decode_alias(f, v) for f, v in aliases.items())
    named_by = [
        alias
        for (of, vector, alias), versions in decoded.items()
        if (of, vector, versions[0]) == (fingerprint, name, version)
    ]
    if named_by:
        refs = ", ".join(f"{name}@{alias}" for alias in sorted(named_by))
        raise CallerError(
            f"{name}@{version} is what {refs} names, so requests use it. Point that at another "
            "version first with `steersman vectors promote` or `rollback`",
            code="version_in_use",
        )


async def _check_usable(pipe: Pipeline, ref: VectorRef, fingerprint: str) -> None:
    field = layout.version_field(fingerprint, ref.name, ref.version or 0)
    known = await _hget(pipe, layout.VECTORS, field) is not None
    if not known or await _hget(pipe, layout.RETIRED, field) is not None:
        raise _UnusableError


async def _is_retired(pipe: Pipeline, fingerprint: str, name: str, version: int) -> bool:
    field = layout.version_field(fingerprint, name, version)
    return await _hget(pipe, layout.RETIRED, field) is not None


async def _alias(pipe: Pipeline, field: str) -> tuple[int, ...]:
    value = await _hget(pipe, layout.ALIASES, field)
    return () if value is None else layout.decode_alias(field.encode(), value)[1]


async def _attach(pipe: Pipeline, field: str, uploads: Uploads) -> Change | None:
    """Returns the change that attaches the files and writes those whose bytes are not there."""
    if not uploads:
        return None
    change = attach(field, await _hget(pipe, layout.ATTACHED, field), uploads)
    bytes_of = {upload.attachment.digest: upload.data for upload in uploads.values()}
    lacking = {
        layout.data_key(digest): data
        for digest, data in bytes_of.items()
        if await pipe.get(layout.data_key(digest)) != data
    }
    if change is None:
        for key, data in lacking.items():
            await pipe.set(key, data)  # lost or damaged: put back
        return None
    writes = tuple(("SET", key, data) for key, data in lacking.items())
    return replace(change, writes=(*writes, *change.writes))


async def _hget(pipe: Pipeline, key: str, field: str) -> bytes | None:
    return await cast(Awaitable[bytes | None], pipe.hget(key, field))
