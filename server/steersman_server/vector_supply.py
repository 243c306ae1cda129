"""Vectors on their way: from the registry to this machine's disk, from there to the workers.

All that requests ever wait for is the second half, and only for a vector that nobody asked for
since the start: everything that requests may name is on the disk before they can name it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from steersman_vectors.card import VectorCard
from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.reader import RegistryReader
from steersman_vectors.registry.snapshot import RegistrySnapshot

from .engine.link import EngineLink

log = structlog.get_logger("steersman.vectors")

BATCH = 32
"""Vectors fetched at once."""
LOADS_AT_ONCE = 4

WhyNot = Callable[[VectorCard], CallerError | None]


class VectorSupply:
    """Keeps the vectors of one base model at hand; shared by all requests of this process."""

    def __init__(
        self, reader: RegistryReader, local: LocalCopy, link: EngineLink, fingerprint: str,
        why_not: WhyNot,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._local = local
        self._link = link
        self._fingerprint = fingerprint
        self._why_not = why_not
        self._fetched: set[str] = set()
        """Digests that are known to be on the disk."""
        self._repairs: dict[str, asyncio.Task[None]] = {}

    async def prepare(self, snapshot: RegistrySnapshot) -> None:
        """Returns when all that requests may name is on the disk and in every worker.

        What cannot be had is logged, and refused when a request names it.
        """
        await self.fetch(snapshot)
        await self.load(snapshot)

    async def fetch(self, snapshot: RegistrySnapshot) -> None:
        """Brings the bytes that are missing here to the disk."""
        new = self._digests(snapshot, lambda digest: digest not in self._fetched)
        missing = await asyncio.to_thread(lambda: [d for d in new if not self._local.has(d)])
        self._fetched.update(set(new).difference(missing))
        for at in range(0, len(missing), BATCH):
            try:
                await self._fetch(missing[at : at + BATCH])
            except OperatorError as error:
                log.warning("vectors_not_fetched", missing=len(missing) - at, message=error.message)
                return

    async def load(self, snapshot: RegistrySnapshot) -> None:
        """Makes the vectors resident in every worker; what is there already costs nothing."""
        todo = self._digests(snapshot, lambda digest: not self._link.is_resident(digest))
        queue = iter(todo)

        async def take_turns() -> None:
            for digest in queue:
                try:
                    await self._link.ensure_resident([digest], self.read)
                except SteersmanError as error:
                    log.warning("vector_not_loaded", digest=digest, message=error.message)

        await asyncio.gather(*(take_turns() for _ in range(min(LOADS_AT_ONCE, len(todo)))))

    async def ensure_resident(self, digests: Sequence[str]) -> None:
        """Returns when every worker holds the vectors; raises when one cannot be had now."""
        await self._link.ensure_resident(digests, self.read)

    async def read(self, digest: str) -> bytes:
        """Returns the bytes from this machine's disk.

        Raises `OperatorError(vector_unavailable)` when they are not there, and has them fetched.
        """
        data = await asyncio.to_thread(self._local.blob, digest)
        if data is not None:
            return data
        if digest not in self._repairs:
            task = asyncio.create_task(self._repair(digest))
            self._repairs[digest] = task
            task.add_done_callback(lambda _: self._repairs.pop(digest, None))
        raise OperatorError(
            f"the bytes of vector {digest} are not on this server yet; they are being fetched. "
            "Try again in a second; if it lasts, look at `steersman vectors verify`",
            code="vector_unavailable",
            param="steering.vectors",
        )

    async def _repair(self, digest: str) -> None:
        try:
            await self._fetch([digest])
        except OperatorError as error:
            log.warning("vectors_not_fetched", missing=1, message=error.message)

    async def _fetch(self, digests: Sequence[str]) -> None:
        blobs = await self._reader.blobs(digests)
        for digest, data in zip(digests, blobs, strict=True):
            if isinstance(data, OperatorError):
                log.warning("vector_not_fetched", digest=digest, message=data.message)
            else:
                await asyncio.to_thread(self._local.put, digest, data)
                self._fetched.add(digest)

    def _digests(self, snapshot: RegistrySnapshot, lacking: Callable[[str], bool]) -> Sequence[str]:
        """Returns what is lacking of all that requests may name, newest versions first."""
        newest = snapshot.available(self._fingerprint)
        ordered: Iterable[str] = (
            entry.digest
            for entry in (*newest, *snapshot.usable(self._fingerprint))
            if lacking(entry.digest) and self._why_not(entry.card) is None
        )
        return list(dict.fromkeys(ordered))
