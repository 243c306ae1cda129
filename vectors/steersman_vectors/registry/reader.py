"""The registry in Redis or Valkey, as servers use it: read it, follow its changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Self, cast

from ..errors import OperatorError
from ..formats import native
from . import layout
from .attached import Attachment, decode
from .connection import BULK_TIMEOUT_S, QUICK_TIMEOUT_S, connect, translated
from .documents import DocumentWrite, is_document_change
from .entry import LogEntry, VectorEntry
from .snapshot import History, RegistrySnapshot

BLOB_MISSING = "blob_missing"
BLOB_LOST = (
    "the registry has no such blob: {}. `steersman vectors gc` removed it after its version was "
    "retired, or it was lost; import the same bytes to put it back"
)
DATA_LOST = (
    "the registry has no such file: {}. It was collected after its version was retired, or lost; "
    "`steersman vectors push` of the same vector puts it back"
)
LOG_PAGE = 1000
"""Changes that a reader catches up with one by one; behind by more, it reads everything anew."""


class RegistryReader:
    """A registry at a Redis URL; every method raises `OperatorError(registry_unavailable)`.

    known: gives a snapshot that this process has, so that `current` reads only what came since.

    Use it as an async context manager, or call `aclose`.
    """

    def __init__(self, url: str, known: Callable[[], RegistrySnapshot] | None = None) -> None:
        self._url = url
        self._known = known
        self._quick = connect(url, reply_timeout_s=QUICK_TIMEOUT_S)
        self._bulk = connect(
            url, reply_timeout_s=BULK_TIMEOUT_S, connect_timeout_s=BULK_TIMEOUT_S, reconnects=1
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._quick.aclose()
        await self._bulk.aclose()

    async def revision(self) -> int:
        """Returns the number of changes so far; it only ever decreases when Redis lost data."""
        with translated(self._url):
            value = cast(bytes | None, await self._quick.get(layout.REV))
        return layout.decode_revision(value)

    async def snapshot(self) -> RegistrySnapshot:
        """Returns all entries and aliases as they were at one moment.

        Raises `OperatorError(registry_corrupt)` when something else wrote into the registry.
        """
        with translated(self._url):
            async with self._bulk.pipeline(transaction=True) as pipe:
                pipe.get(layout.REV)
                pipe.get(layout.ID)
                pipe.hgetall(layout.VECTORS)
                pipe.hgetall(layout.ALIASES)
                pipe.hgetall(layout.RETIRED)
                pipe.hgetall(layout.DOCUMENTS)
                pipe.xrevrange(layout.LOG, count=1)
                (
                    rev,
                    registry_id,
                    vectors,
                    aliases,
                    retired,
                    documents,
                    newest,
                ) = await pipe.execute()
        return RegistrySnapshot.of(
            layout.decode_revision(rev),
            (layout.decode_entry(f, v) for f, v in vectors.items()),
            dict(layout.decode_alias(f, v) for f, v in aliases.items()),
            dict(layout.decode_retirement(f, v) for f, v in retired.items()),
            _history(registry_id, newest),
            layout.decode_documents(documents),
        )

    async def current(self) -> RegistrySnapshot:
        """Returns the newest snapshot; raises what `snapshot` and `catch_up` raise."""
        return await (self.snapshot() if self._known is None else self.catch_up(self._known()))

    async def catch_up(self, old: RegistrySnapshot) -> RegistrySnapshot:
        """Returns the newest snapshot; reads only what changed since `old`, unless that is much.

        Raises `OperatorError(registry_rolled_back)` when the registry does not contain what `old`
        was: it was wiped, or restored to an earlier day, whatever happened in it since.
        """
        if old.revision == 0:
            return await self.snapshot()
        with translated(self._url):
            async with self._bulk.pipeline(transaction=True) as pipe:
                pipe.get(layout.REV)
                pipe.get(layout.ID)
                pipe.xrange(layout.LOG, min=layout.log_id(old.revision), count=LOG_PAGE)
                rev, registry_id, logged = await pipe.execute()
        revision = layout.decode_revision(rev)
        history = _history(registry_id, logged[:1])
        if history != old.history or revision < old.revision:
            raise _rolled_back(old.revision, revision)
        log = [layout.decode_log(entry_id, fields) for entry_id, fields in logged[1:]]
        if [entry.revision for entry in log] != list(range(old.revision + 1, revision + 1)):
            return await self.snapshot()
        published = [entry.subject for entry in log if entry.kind == "vector.publish"]
        return old.updated(
            revision,
            await self._entries(published),
            dict(
                layout.decode_alias(entry.subject.encode(), entry.after.encode())
                for entry in log
                if entry.kind == "alias.set"
            ),
            dict(
                layout.decode_retirement(entry.subject.encode(), entry.after.encode())
                for entry in log
                if entry.kind == "vector.retire"
            ),
            _history(registry_id, logged[-1:]),
            document_writes(log),
        )

    async def blob(self, digest: str) -> bytes:
        """Returns the native file with this digest; its sha256 is checked on every read.

        Raises `OperatorError(registry_corrupt)` when it is missing or differs.
        """
        (data,) = await self.blobs([digest])
        if isinstance(data, OperatorError):
            raise data
        return data

    async def blobs(self, digests: Sequence[str]) -> list[bytes | OperatorError]:
        """Returns the native files with these digests, checked; what is wrong with one instead."""
        return await self._contents(digests, layout.blob_key, BLOB_LOST)

    async def attached(self, entry: VectorEntry) -> dict[str, Attachment]:
        """Returns the files beside a version, by role; none where it was published without."""
        field = layout.version_field(entry.fingerprint, entry.name, entry.version)
        with translated(self._url):
            (value,) = await cast(Awaitable[Any], self._bulk.hmget(layout.ATTACHED, [field]))
        return {} if value is None else decode(field.encode(), value)

    async def all_attached(self) -> dict[str, dict[str, Attachment]]:
        """Returns the files beside every version that has some, by the version's field."""
        with translated(self._url):
            stored = await cast(Awaitable[Any], self._bulk.hgetall(layout.ATTACHED))
        return {_readable(field): decode(field, value) for field, value in stored.items()}

    async def data(self, digests: Sequence[str]) -> list[bytes | OperatorError]:
        """Returns files beside versions, checked; what is wrong with one instead."""
        if not digests:
            return []
        return await self._contents(digests, layout.data_key, DATA_LOST)

    async def _contents(
        self, digests: Sequence[str], key: Callable[[str], str], lost: str
    ) -> list[bytes | OperatorError]:
        """Returns what is there and is what its digest says, else why not, each in its place.

        key: where the registry keeps a digest's bytes. lost: what to say where there are none.
        """
        keys = [key(digest) for digest in digests]
        with translated(self._url):
            values = cast(list[bytes | None], await self._bulk.mget(keys))
        return await asyncio.to_thread(_all_checked, digests, keys, values, lost)

    async def blob_sizes(self) -> dict[str, int]:
        """Returns the bytes that each blob in the registry takes, by digest."""
        return await self._sizes(layout.BLOB_PREFIX)

    async def data_sizes(self) -> dict[str, int]:
        """Returns the bytes that each file beside a version takes, by digest."""
        return await self._sizes(layout.DATA_PREFIX)

    async def _sizes(self, prefix: str) -> dict[str, int]:
        with translated(self._url):
            keys = [key async for key in self._bulk.scan_iter(match=f"{prefix}*")]
            async with self._bulk.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.strlen(key)
                sizes = await pipe.execute()
        digests = [_readable(key).removeprefix(prefix) for key in keys]
        return dict(zip(digests, sizes, strict=True))

    async def log(self, *, limit: int) -> list[LogEntry]:
        """Returns the newest changes, newest first."""
        with translated(self._url):
            found = await self._bulk.xrevrange(layout.LOG, count=limit)
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], found)
        return [layout.decode_log(entry_id, fields) for entry_id, fields in entries]

    async def log_backwards(self) -> AsyncIterator[LogEntry]:
        """Yields every change, newest first, reading a page at a time."""
        newest = "+"
        while True:
            with translated(self._url):
                found = await self._bulk.xrevrange(layout.LOG, max=newest, count=LOG_PAGE)
            page = cast(list[tuple[bytes, dict[bytes, bytes]]], found)
            for entry_id, fields in page:
                yield layout.decode_log(entry_id, fields)
            if len(page) < LOG_PAGE:
                return
            newest = f"({page[-1][0].decode()}"

    async def wait_for_change(self, after: int, timeout_s: float) -> int:
        """Returns the revision as soon as it exceeds `after`, or what it is after `timeout_s`.

        Waits on a connection of its own. A revision below `after` (Redis was wiped or rolled
        back) shows after the time is up.
        """
        client = connect(self._url, reply_timeout_s=timeout_s + QUICK_TIMEOUT_S)
        block_ms = max(1, round(timeout_s * 1000))  # 0 would mean for ever
        try:
            with translated(self._url):
                await client.xread({layout.LOG: layout.log_id(after)}, count=1, block=block_ms)
        finally:
            await client.aclose()
        return await self.revision()

    async def _entry(self, field: str) -> VectorEntry:
        (entry,) = await self._entries([field])
        return entry

    async def _entries(self, fields: Sequence[str]) -> list[VectorEntry]:
        if not fields:
            return []
        with translated(self._url):
            values = await cast(Awaitable[Any], self._bulk.hmget(layout.VECTORS, list(fields)))
        return [_decoded(field, value) for field, value in zip(fields, values, strict=True)]


def document_writes(log: Iterable[LogEntry]) -> list[DocumentWrite]:
    """Returns what the changes in the log wrote into documents, in their order."""
    return [
        DocumentWrite(entry.subject, entry.after or None)
        for entry in log
        if is_document_change(entry.kind)
    ]


def _decoded(field: str, value: bytes | None) -> VectorEntry:
    if value is None:
        raise layout.corrupt(f"{layout.VECTORS} field {field!r}", "no such entry")
    return layout.decode_entry(field.encode(), value)


def _all_checked(
    digests: Sequence[str], keys: Sequence[str], values: Sequence[bytes | None], lost: str
) -> list[bytes | OperatorError]:
    each = zip(digests, keys, values, strict=True)
    return [_checked(digest, key, data, lost) for digest, key, data in each]


def _checked(digest: str, key: str, data: bytes | None, lost: str) -> bytes | OperatorError:
    if data is None:
        return OperatorError(lost.format(digest), code=BLOB_MISSING)
    if (found := native.digest(data)) != digest:
        return layout.corrupt(key, f"content of {found}")
    return data


def _history(registry_id: bytes | None, newest: Sequence[tuple[bytes, Any]]) -> History:
    changed_at = _readable(newest[0][1].get(b"at", b"")) if newest else ""
    return History(None if registry_id is None else _readable(registry_id), changed_at)


def _readable(text: bytes) -> str:
    return text.decode(errors="backslashreplace")


def _rolled_back(ours: int, theirs: int) -> OperatorError:
    return OperatorError(
        f"the registry does not contain what it did at revision {ours}; it is at {theirs}: it was "
        f"wiped, replaced, restored to an earlier day, or its log {layout.LOG} was trimmed. "
        "Restore Redis from a newer backup; or, to take what it holds now, stop the servers and "
        "remove their registry-copy folders",
        code="registry_rolled_back",
    )
