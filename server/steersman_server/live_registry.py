"""The registry as this process sees it: a snapshot in memory, kept fresh in the background.

No request waits on Redis: requests read the snapshot, and the bytes of vectors are fetched when
the snapshot changes, before anybody asks for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from steersman_vectors.errors import SteersmanError
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

log = structlog.get_logger("steersman.registry")

POLL_S = 5.0
"""Longest wait for a change notice before the revision is read anyway."""
RETRY_S = 1.0
GRACE_S = 2.0

OnChange = Callable[[RegistrySnapshot], Awaitable[None]]


class LiveRegistry:
    """Follows the registry's log; `snapshot` is always the newest one seen."""

    def __init__(self, store: RegistryStore, snapshot: RegistrySnapshot) -> None:
        self.store = store
        self.snapshot = snapshot
        self.confirmed_at = time.monotonic()
        """When the registry last confirmed that the snapshot is current."""
        self.error: str | None = None

    @classmethod
    async def open(cls, url: str) -> LiveRegistry:
        """Returns a registry with its first snapshot; raises `OperatorError` when unreachable."""
        store = RegistryStore(url)
        return cls(store, await store.snapshot())

    @property
    def age_s(self) -> float:
        """Returns seconds since the snapshot was last known to be current."""
        return time.monotonic() - self.confirmed_at

    @property
    def stale(self) -> bool:
        """Returns whether the registry has been silent for longer than following it explains."""
        return self.error is not None or self.age_s > POLL_S + GRACE_S

    async def follow(self, on_change: OnChange) -> None:
        """Runs until cancelled, whatever goes wrong; calls `on_change` with every new snapshot."""
        while True:
            try:
                revision = await self.store.wait_for_change(self.snapshot.revision, POLL_S)
                if revision != self.snapshot.revision:
                    self.snapshot = await self.store.snapshot()
                    log.info("registry_changed", revision=self.snapshot.revision)
                    await on_change(self.snapshot)
                self.confirmed_at, self.error = time.monotonic(), None
            except SteersmanError as error:
                # A busy start may lose one connection; only what lasts is worth a line.
                if self.error is None and self.stale:
                    log.warning("registry_unavailable", code=error.code, message=error.message)
                    self.error = error.code
                await asyncio.sleep(RETRY_S)
            except Exception:
                # A fault of ours must not end the following, after which nothing would be noticed.
                log.exception("registry_follower_failed", revision=self.snapshot.revision)
                self.error = "internal_error"
                await asyncio.sleep(RETRY_S)
