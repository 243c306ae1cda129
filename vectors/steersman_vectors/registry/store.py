"""The registry in Redis or Valkey: publish, read, and follow its changes."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, cast

from ..errors import CallerError
from ..formats import native
from ..names import VectorRef, check_name
from ..vector import SteeringVector
from . import layout, scripts
from .binding import bind
from .connection import BULK_TIMEOUT_S, QUICK_TIMEOUT_S, connect, translated
from .entry import Published, VectorEntry
from .snapshot import RegistrySnapshot


class RegistryStore:
    """A registry at a Redis URL; every method raises `OperatorError(registry_unavailable)`.

    Use it as an async context manager, or call `aclose`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._quick = connect(url, reply_timeout_s=QUICK_TIMEOUT_S)
        self._bulk = connect(url, reply_timeout_s=BULK_TIMEOUT_S, connect_timeout_s=BULK_TIMEOUT_S)

    async def __aenter__(self) -> RegistryStore:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._quick.aclose()
        await self._bulk.aclose()

    async def publish(
        self, vector: SteeringVector, *, name: str, fingerprint: str, actor: str
    ) -> Published:
        """Returns the version of `name` that holds this vector; a new one unless the newest does.

        The stored card carries name and fingerprint. Raises `CallerError(vector_model_mismatch)`
        when the vector's card names another base model.
        """
        bound = bind(vector, name=name, fingerprint=fingerprint)
        data = native.dumps(bound)
        digest, now = native.digest(data), datetime.now(UTC)
        entry = layout.encode_entry(digest=digest, card=bound.card, created_at=now, actor=actor)
        field = layout.name_field(fingerprint, name)
        keys = (layout.VECTORS, layout.NEWEST, layout.REV, layout.LOG, layout.blob_key(digest))
        args = (field, digest, entry, data, actor, now.isoformat())
        version, created = await self._run(scripts.PUBLISH, keys, args)
        return Published.of(await self._entry(f"{field}/{version}"), created=created == 1)

    async def set_alias(
        self, name: str, alias: str, version: int, *, fingerprint: str, actor: str
    ) -> bool:
        """Points `name@alias` at a version; returns False when it pointed there already.

        Raises `CallerError`: `vector_not_found`, or `invalid_name` (an alias of digits only would
        be read as a version).
        """
        field = layout.name_field(fingerprint, check_name(name))
        if check_name(alias, what="alias").isdigit():
            raise CallerError(
                f"invalid alias: got {alias!r}, expected a letter in it, such as 'prod'",
                code="invalid_name",
            )
        keys = (layout.VECTORS, layout.ALIASES, layout.REV, layout.LOG)
        now = datetime.now(UTC).isoformat()
        alias_field = layout.alias_field(fingerprint, name, alias)
        args = (alias_field, f"{field}/{version}", str(version), actor, now)
        changed = await self._run(scripts.SET_ALIAS, keys, args)
        if changed == -1:
            (await self.snapshot()).find(VectorRef(name, version=version), fingerprint)
        return bool(changed == 1)

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
                pipe.hgetall(layout.VECTORS)
                pipe.hgetall(layout.ALIASES)
                rev, vectors, aliases = await pipe.execute()
        return RegistrySnapshot.of(
            layout.decode_revision(rev),
            (layout.decode_entry(f, v) for f, v in vectors.items()),
            dict(layout.decode_alias(f, v) for f, v in aliases.items()),
        )

    async def blob(self, digest: str) -> bytes:
        """Returns the native file with this digest; its sha256 is checked on every read.

        Raises `OperatorError(registry_corrupt)` when it is missing or differs.
        """
        with translated(self._url):
            data = cast(bytes | None, await self._bulk.get(layout.blob_key(digest)))
        if data is None:
            raise layout.corrupt(layout.blob_key(digest), "no such blob")
        if native.digest(data) != digest:
            raise layout.corrupt(layout.blob_key(digest), f"content of {native.digest(data)}")
        return data

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
        with translated(self._url):
            value = await cast(Awaitable[Any], self._bulk.hget(layout.VECTORS, field))
        if value is None:
            raise layout.corrupt(f"{layout.VECTORS} field {field!r}", "no such entry")
        return layout.decode_entry(field.encode(), value)

    async def _run(self, script: str, keys: tuple[str, ...], args: tuple[str | bytes, ...]) -> Any:
        with translated(self._url):
            return await self._bulk.eval(script, len(keys), *keys, *args)
