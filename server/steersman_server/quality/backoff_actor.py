"""Automatic back-off at work: from judged answers to a scale that is in force.

Each API process judges its own share of the answers and comes to its own conclusion. The scale is
in force in this process at once; the registry is told behind it, as often as it takes, and tells
all others. State lives in the event loop's thread alone; answers are handed over to it.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from steersman_vectors.errors import InternalError, SteersmanError
from steersman_vectors.quality.judgement import Judgement
from steersman_vectors.registry.store import RegistryStore

from ..configuration import Configuration
from ..control.backoff import back_off
from ..live_registry import is_cancelled
from ..monitor.catalogue import BACKED_OFF, BACKOFFS
from ..tenants.backoff import BackedOff, BackoffPolicy
from .backoff import next_scale
from .observed import Observed
from .window import Counts, Standing, TenantWindow

log = structlog.get_logger("steersman.backoff")

RETRY_S = 1.0
ACTIONS = ("scaled", "off")
ACTOR = f"back-off on {socket.gethostname()}, process {os.getpid()}"


@dataclass(slots=True)
class _Local:
    """A step that this process took, until requests see the registry's word on it."""

    wanted: BackedOff
    expected_scale: float
    """That the registry had when the first step was taken that it does not know of."""
    known_at: int | None = None
    """The revision at which the registry has it, or something that overrules it."""


class BackoffActor:
    """Takes judged answers, and backs tenants off whose policy says so."""

    def __init__(
        self,
        store: RegistryStore,
        configuration: Configuration,
        revision: int,
        *,
        label: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
        actor: str = ACTOR,
    ) -> None:
        """Begins with what requests see.

        label: a tenant's label in metrics. actor: who is recorded in the audit.
        """
        self._store = store
        self._configuration = configuration
        self._revision = revision
        self._label = label
        self._clock = clock
        self._actor = actor
        self._windows: dict[str, TenantWindow] = {}
        self._local: dict[str, _Local] = {}
        self._begun: set[str] = set()
        """Tenants whose counters there are."""
        self._telling: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.backoffs: Mapping[str, BackedOff] = {}
        """What is in force here and not yet in what requests see of the registry."""
        self.shown(configuration, revision)

    def start(self) -> None:
        """Names the running event loop as the one that steps are taken in."""
        self._loop = asyncio.get_running_loop()

    def shown(self, configuration: Configuration, revision: int) -> None:
        """Takes over what requests see of the registry from now on; in the event loop's thread."""
        self._configuration, self._revision = configuration, revision
        for tenant, local in list(self._local.items()):
            if local.known_at is not None and local.known_at <= revision:
                del self._local[tenant]
        for tenant in [known for known in self._windows if self._policy(known) is None]:
            del self._windows[tenant]
        self._begin_counters()
        self._put_in_force()

    async def told(self) -> None:
        """Returns when the registry knows of every step; waits as long as it is silent."""
        if self._telling is not None:
            await asyncio.shield(self._telling)

    def on_judged(self, observed: Observed, judgement: Judgement) -> None:
        """Takes one judged answer, from any thread; returns at once.

        Raises `InternalError(backoff_not_started)` before `start`.
        """
        decision = observed.decision
        if decision.plan is None or self._policy(decision.tenant) is None:
            return
        if self._loop is None:
            raise InternalError("back-off was not started", code="backoff_not_started")
        with suppress(RuntimeError):  # the loop has ended, and the server with it
            self._loop.call_soon_threadsafe(
                self._count, decision.tenant, decision.scale, decision.revision,
                judgement.degenerate,
            )  # fmt: skip

    def _count(self, tenant: str, scale: float, revision: int, degenerate: bool) -> None:
        policy = self._policy(tenant)
        if policy is None:
            return
        now = self._clock()
        window = self._window(tenant, policy, now)
        if not window.add(now, scale=scale, revision=revision, degenerate=degenerate):
            return
        counts = window.counts(now)
        lower = next_scale(policy, counts, window.standing.scale, now - window.changed_at)
        if lower is not None:
            self._step(tenant, policy, counts, lower)

    def _step(self, tenant: str, policy: BackoffPolicy, counts: Counts, scale: float) -> None:
        """Puts the lower scale in force here, and has the registry told."""
        wanted = BackedOff(
            scale=scale, since=datetime.now(UTC), answers=counts.answers,
            degenerate=counts.degenerate, window_s=policy.window_s,
            max_degenerate_rate=policy.max_degenerate_rate,
        )  # fmt: skip
        before = self._local.get(tenant)
        untold = before is not None and before.known_at is None
        expected = before.expected_scale if before and untold else self._scale(tenant)
        self._local[tenant] = _Local(wanted, expected)
        self._put_in_force()
        log.warning(
            "backed_off", tenant=tenant, scale=scale, answers=counts.answers,
            degenerate=counts.degenerate, limit=policy.max_degenerate_rate,
        )  # fmt: skip
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        """Tells the registry every step that it does not know of, however long it is silent."""
        failed: str | None = None
        while untold := [name for name, each in self._local.items() if each.known_at is None]:
            if is_cancelled():
                return
            try:
                for tenant in untold:
                    await self._tell_of(tenant)
            except SteersmanError as error:
                if error.code != failed:
                    log.warning("backoff_not_recorded", code=error.code, message=error.message)
                failed = error.code
                await asyncio.sleep(RETRY_S)
            except Exception:
                # A fault of ours must not end the telling; what is in force here stays so.
                log.exception("backoff_not_recorded")
                await asyncio.sleep(RETRY_S)

    async def _tell_of(self, tenant: str) -> None:
        await self._store.current()  # one that was wiped is not the one that servers follow
        local = self._local[tenant]
        ours = await back_off(
            self._store, tenant, local.wanted, expected_scale=local.expected_scale,
            actor=self._actor,
        )  # fmt: skip
        revision = await self._store.revision()
        if ours:
            action = "off" if local.wanted.scale == 0.0 else "scaled"
            BACKOFFS.labels(self._label(tenant), action).inc()
        local.known_at = revision
        self.shown(self._configuration, self._revision)  # it may be the one that is shown already

    def _begin_counters(self) -> None:
        """Begins the series of tenants that opt in at 0: else no increase sees their first step."""
        for tenant, found in self._configuration.tenants.items():
            if found.backoff is not None and tenant not in self._begun:
                self._begun.add(tenant)
                for action in ACTIONS:
                    BACKOFFS.labels(self._label(tenant), action)

    def _window(self, tenant: str, policy: BackoffPolicy, now: float) -> TenantWindow:
        standing = Standing(self._scale(tenant), self._revision)
        window = self._windows.get(tenant)
        if window is None:
            changed_at = -math.inf if standing.scale == 1.0 else now
            window = TenantWindow(policy.window_s, standing, changed_at)
            self._windows[tenant] = window
        else:
            window.follow(policy.window_s, standing, now)
        return window

    def _put_in_force(self) -> None:
        """Makes the scales what requests see, and windows count under them from now on."""
        self.backoffs = {tenant: local.wanted for tenant, local in self._local.items()}
        BACKED_OFF.set(len({*self.backoffs, *self._configuration.backoffs}))
        now = self._clock()
        for tenant, window in self._windows.items():
            window.follow(window.span_s, Standing(self._scale(tenant), self._revision), now)

    def _policy(self, tenant: str) -> BackoffPolicy | None:
        found = self._configuration.tenants.get(tenant)
        return None if found is None else found.backoff

    def _scale(self, tenant: str) -> float:
        known, local = self._configuration.backoffs.get(tenant), self._local.get(tenant)
        return min(
            1.0 if known is None else known.scale, 1.0 if local is None else local.wanted.scale
        )
