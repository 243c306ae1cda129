"""Keeps the engine's read-out slots on the vectors that their names stand for.

The workers say what they read with every answer; what is not what should be is written again. So
a moved alias, a new version, a restarted worker and an API process that takes over are one case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from steersman_vectors.errors import SteersmanError
from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..monitor.catalogue import TONE_READS
from .slots import ReadoutSlot, find

log = structlog.get_logger("steersman.readout")

Digests = list[str | None]
Write = Callable[[Sequence[str | None]], Awaitable[list[dict[str, Any]]]]
"""What each slot shall read -> what each worker reads now."""


class ReadoutKeeper:
    """The slots of one server; the process that asks the workers keeps them."""

    def __init__(
        self,
        slots: Sequence[ReadoutSlot],
        fingerprint: str,
        snapshot: Callable[[], RegistrySnapshot],
        ensure_resident: Callable[[Sequence[str]], Awaitable[None]],
        write: Write,
    ) -> None:
        self._slots = slots
        self.attached = tuple(slot for slot in slots if slot.layer is not None)
        """The engine's slots, in its order."""
        self._fingerprint = fingerprint
        self._snapshot = snapshot
        self._ensure_resident = ensure_resident
        self._write = write
        self._told: dict[str, str] = {}

    async def look(self, answers: Sequence[dict[str, Any]]) -> None:
        """Writes the slots again if a worker's answer says otherwise; tells what is read."""
        if not self._slots:
            return
        wanted = await self._wanted()
        reads = _reads(answers)
        if any(of_worker != wanted for of_worker in reads):
            reads = _reads(await self._write(wanted))
        for i, slot in enumerate(self.attached):
            read = wanted[i] is not None and bool(reads) and all(r[i] == wanted[i] for r in reads)
            TONE_READS.labels(slot.vector).set(int(read))

    async def _wanted(self) -> Digests:
        """Returns what each of the engine's slots shall read: nothing where that cannot be had."""
        wanted: Digests = []
        found = find(self._slots, self._snapshot(), self._fingerprint)
        for slot, entry in zip(self._slots, found, strict=True):
            digest, why = None, ""
            if isinstance(entry, SteersmanError):
                why = entry.message
            elif slot.layer is None:
                why = f"{entry} came after the start. Restart the server to read it out"
            else:
                try:
                    await self._ensure_resident([entry.digest])
                    digest = entry.digest
                except SteersmanError as error:
                    why = error.message
            self._tell(slot, why)
            if slot.layer is None:
                TONE_READS.labels(slot.vector).set(0)
            else:
                wanted.append(digest)
        return wanted

    def _tell(self, slot: ReadoutSlot, why: str) -> None:
        """Logs why a slot reads nothing, once as long as it stays the same."""
        if why and self._told.get(slot.vector) != why:
            log.warning("readout_reads_nothing", vector=slot.vector, message=why)
        self._told[slot.vector] = why


def _reads(answers: Sequence[dict[str, Any]]) -> list[Digests]:
    """Returns what each worker reads; those that have no slots of their own are left out."""
    return [list(a["readout"]) for a in answers if a.get("readout") is not None]
