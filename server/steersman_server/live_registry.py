"""The registry as this process sees it: a snapshot in memory, kept fresh in the background.

No request waits on Redis. Requests read the snapshot; a new one is shown to them once its vectors
are on this machine's disk and in the workers, and the disk also serves a start while Redis is down.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from steersman_vectors.errors import OperatorError, SteersmanError
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.reader import RegistryReader
from steersman_vectors.registry.snapshot import RegistrySnapshot

from .monitor.catalogue import REGISTRY_ERRORS

log = structlog.get_logger("steersman.registry")

POLL_S = 5.0
"""Longest wait for a change notice before the revision is read anyway."""
RETRY_S = 1.0
GRACE_S = 2.0
PREPARE_S = 2.0
"""Longest that a change waits for its vectors; what is not loaded then is loaded behind it."""
SAVE_EVERY_S = 5.0

Prepare = Callable[[RegistrySnapshot], Awaitable[None]]
Heard = Callable[[], None]
Show = Callable[[RegistrySnapshot], None]


class LiveRegistry:
    """Follows the registry's log; `snapshot` is the newest one that is prepared."""

    def __init__(
        self, reader: RegistryReader, snapshot: RegistrySnapshot, local: LocalCopy
    ) -> None:
        self.reader = reader
        self.snapshot = snapshot
        self.local = local
        self.confirmed_at: float | None = time.monotonic()
        """When the registry last confirmed that the snapshot is current."""
        self.error: str | None = None
        self._saved_at = -SAVE_EVERY_S
        self._unsaved = False
        self._saving: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, local: LocalCopy) -> LiveRegistry:
        """Returns a registry with its first snapshot, from this machine's disk if need be.

        Raises `OperatorError` when the registry does not answer and was never copied here.
        """
        reader = RegistryReader(url)
        kept = await asyncio.to_thread(local.load)
        try:
            fresh = await (reader.snapshot() if kept is None else reader.catch_up(kept))
        except OperatorError as error:
            if kept is None:
                await reader.aclose()
                raise
            log.warning(error.code, message=error.message, serving_from=str(local.folder))
            live = cls(reader, kept, local)
            live.confirmed_at, live.error = None, error.code
            REGISTRY_ERRORS.labels(error.code).inc()
            return live
        await asyncio.to_thread(local.save, fresh)
        return cls(reader, fresh, local)

    @property
    def age_s(self) -> float | None:
        """Returns seconds since the snapshot was last known to be current; None if it never was."""
        return None if self.confirmed_at is None else time.monotonic() - self.confirmed_at

    @property
    def stale(self) -> bool:
        """Returns whether the registry has been silent for longer than following it explains."""
        age_s = self.age_s
        return self.error is not None or age_s is None or age_s > POLL_S + GRACE_S

    async def follow(
        self, prepare: Prepare, heard: Heard = lambda: None, show: Show = lambda _: None
    ) -> None:
        """Runs until cancelled, whatever goes wrong.

        prepare: is given every new snapshot before requests see it. heard: called after every
        word from the registry. show: is given each snapshot when requests shall see it; what it
        refuses with an error is not taken, and tried again.
        """
        while not is_cancelled():
            try:
                await self._next(prepare, show)
            except SteersmanError as error:
                self._note(error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                # A fault of ours must not end the following, after which nothing would be noticed.
                log.exception("registry_follower_failed", revision=self.snapshot.revision)
                self.error = "internal_error"
                REGISTRY_ERRORS.labels(self.error).inc()
                await asyncio.sleep(RETRY_S)
            heard()

    async def _next(self, prepare: Prepare, show: Show) -> None:
        revision = await self.reader.wait_for_change(self.snapshot.revision, POLL_S)
        if revision != self.snapshot.revision or self.error is not None:
            fresh = await self.reader.catch_up(self.snapshot)
            await _bounded(prepare(fresh))
            show(fresh)
            self.snapshot = fresh
            log.info("registry_changed", revision=fresh.revision)
            self._save()
        self.confirmed_at, self.error = time.monotonic(), None

    def _note(self, error: SteersmanError) -> None:
        REGISTRY_ERRORS.labels(error.code).inc()
        # A busy start may lose one connection; only what lasts is worth a line.
        if error.code != self.error and (error.code == "registry_rolled_back" or self.stale):
            log.warning(error.code, message=error.message)
            self.error = error.code

    def _save(self) -> None:
        """Writes the copy in the background; changes that follow soon share one writing."""
        self._unsaved = True
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save_newest())

    async def _save_newest(self) -> None:
        while self._unsaved:
            await asyncio.sleep(max(0.0, self._saved_at + SAVE_EVERY_S - time.monotonic()))
            self._unsaved, self._saved_at = False, time.monotonic()
            try:
                await asyncio.to_thread(self.local.save, self.snapshot)
            except OperatorError as error:
                log.warning("registry_copy_not_written", message=error.message)


def is_cancelled() -> bool:
    """Returns whether the running task was told to end, though nothing was raised."""
    # NOTE: redis-py 8 can lose a cancellation that arrives while it closes a connection.
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _bounded(preparation: Awaitable[None]) -> None:
    """Waits for the preparation, not for ever; it goes on behind."""
    task = asyncio.ensure_future(preparation)
    done, _ = await asyncio.wait([task], timeout=PREPARE_S)
    if done:
        task.result()
    else:
        task.add_done_callback(_report)
        log.warning("registry_change_not_prepared", waited_s=PREPARE_S)


def _report(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("registry_change_not_prepared", message=str(error))
