"""A tenant's own limits: requests per minute, and requests at once.

Each API process counts for itself, against its share: the limit divided by the number of processes,
which the kernel gives connections to in turn. Nothing waits on Redis.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from .inbound import Caller
from .refusals import TooManyRequestsError


@dataclass(slots=True)
class _Use:
    """What one tenant uses of its limits."""

    running: int = 0
    tokens: float = math.nan
    """Requests that may come at once; NaN until the first, and while nothing limits them."""
    filled_at: float = 0.0


class Place:
    """A request's place among its tenant's."""

    def __init__(self, use: _Use) -> None:
        self._use = use

    def __enter__(self) -> None:
        """Does nothing: it is taken already."""

    def __exit__(self, *_: object) -> None:
        """Gives it back."""
        self._use.running -= 1

    def withdraw(self) -> None:
        """Gives it back as if it had never been asked for: the request was refused."""
        self._use.running -= 1
        self._use.tokens += 1.0


class Limits:
    """Token buckets that hold a minute's requests, and counts of running requests, by tenant."""

    def __init__(self, processes: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = 1.0 / max(1, processes)
        self._clock = clock
        self._uses: dict[str, _Use] = {}

    def check(self, caller: Caller) -> None:
        """Raises `TooManyRequestsError` when the caller has no room; takes nothing."""
        tenant = caller.tenant
        if tenant.requests_per_minute is None and tenant.max_concurrent is None:
            return
        use = self._refilled(caller)
        limit = tenant.max_concurrent
        if limit is not None and use.running >= max(1, math.ceil(limit * self._share)):
            raise TooManyRequestsError(
                f"tenant {caller.name!r} has {limit} requests running, which is its limit; wait "
                "for one to end",
                code="too_many_concurrent_requests",
                retry_after_s=1.0,
            )
        per_minute = tenant.requests_per_minute
        if per_minute is not None and use.tokens < 1.0:
            wait_s = (1.0 - use.tokens) * 60.0 / (per_minute * self._share)
            raise TooManyRequestsError(
                f"tenant {caller.name!r} has its {per_minute} requests per minute; try again in "
                f"{math.ceil(wait_s)} s",
                code="rate_limit_exceeded",
                retry_after_s=wait_s,
            )

    def running(self, caller: Caller) -> Place:
        """Takes a place at once, and returns it: a context that gives it back at its end.

        Raises `TooManyRequestsError`.
        """
        self.check(caller)
        use = self._refilled(caller)
        use.running += 1
        use.tokens -= 1.0  # NaN stays NaN
        return Place(use)

    def _refilled(self, caller: Caller) -> _Use:
        use = self._uses.setdefault(caller.name, _Use())
        per_minute = caller.tenant.requests_per_minute
        now = self._clock()
        if per_minute is None:
            use.tokens = math.nan
        else:
            room = max(1.0, per_minute * self._share)
            if math.isnan(use.tokens):
                use.tokens = room
            gained = (now - use.filled_at) * per_minute * self._share / 60.0
            use.tokens = min(room, use.tokens + gained)
        use.filled_at = now
        return use
