"""A circuit breaker: a service that keeps failing is not asked for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Closed until `failures_to_open` in a row; then open for `open_s`; then one trial.

    Used from one event loop; `clock` in seconds.
    """

    def __init__(
        self, failures_to_open: int, open_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures_to_open, self.open_s, self.clock = failures_to_open, open_s, clock
        self.failures = 0
        """In a row, up to now."""
        self._closed_again_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the service counts as down."""
        return self.failures >= self.failures_to_open

    def may_ask(self) -> bool:
        """Returns whether to ask now; who asks while it is open is the one trial."""
        if not self.is_open:
            return True
        now = self.clock()
        if now < self._closed_again_at:
            return False
        self._closed_again_at = now + self.open_s
        return True

    def succeeded(self) -> None:
        """The service answered: it is asked again by all."""
        self.failures = 0

    def failed(self) -> None:
        """The service did not answer, or not what it should."""
        self.failures += 1
        if self.is_open:
            self._closed_again_at = self.clock() + self.open_s
