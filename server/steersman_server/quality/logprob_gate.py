"""Which sampled requests ask the engine for log-probabilities: few enough that nobody pays for it.

One request that asks makes the engine take a log-softmax over the whole batch and vocabulary, in
every step that it is in. So one asks at a time, and after t seconds of it none does for
`t * (1 / share - 1)`: over any time from the first on, the engine does it for that share at most,
however many requests are sampled. Whoever comes first when the gate is open goes in, long or short,
steered or not, so that those who go in are a fair sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOGPROB_SHARE = 0.02
"""Of time, where nobody says otherwise: what asking adds to a step of a model that is all
vocabulary, 22%, stays below 0.5% (docs/benchmarks/monitoring.md)."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Where the gate stands; times in seconds of one clock."""

    inside_since: float | None = None
    """Since when a request is in; None: there is none."""
    shut_until: float = float("-inf")


def entered(gate: Gate, now: float) -> Gate | None:
    """Returns the gate with a request in it; None where there is one, or it is shut."""
    if gate.inside_since is not None or now < gate.shut_until:
        return None
    return Gate(now, gate.shut_until)


def left(gate: Gate, now: float, share: float) -> Gate:
    """Returns the gate shut behind its request, for as long as the share of time demands.

    share: above 0, at most 1.
    """
    assert gate.inside_since is not None
    return Gate(None, now + (now - gate.inside_since) * (1.0 / share - 1.0))


class LogprobGate:
    """The gate of one API process.

    share: of time, of all processes together; 0 lets nobody in, 1 everybody, any number at once.
    processes: how many share it: each has its part, since none knows of the others.
    """

    def __init__(
        self, share: float, processes: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._nobody, self._everybody = share <= 0.0, share >= 1.0
        self._share = share / processes
        self._clock = clock
        self._gate = Gate()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Gives whether a request may ask for log-probabilities while the context lasts."""
        if self._nobody or self._everybody:
            yield self._everybody
            return
        gate = entered(self._gate, self._clock())
        if gate is None:
            yield False
            return
        self._gate = gate
        try:
            yield True
        finally:
            self._gate = left(self._gate, self._clock(), self._share)
