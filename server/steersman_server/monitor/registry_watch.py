"""The registry's gauges: where this process stands, told every second and not only when asked.

With several API processes the one that is scraped answers for all; each writes its own values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from steersman_vectors.registry.snapshot import RegistrySnapshot

from .catalogue import AGE, KILLED, MISMATCHED, REVISION, STALE

EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What this process knows of the registry at a moment."""

    snapshot: RegistrySnapshot
    """That requests see."""
    age_s: float | None
    """Since the registry confirmed it; None: not since this start."""
    stale: bool
    killed: bool
    """Whether a kill switch, of the registry or this machine, is on."""


class RegistryWatch:
    """Tells where a process stands; looks through the vectors once per revision."""

    def __init__(self, fingerprint: str, standing: Callable[[], Standing]) -> None:
        self._fingerprint = fingerprint
        self._standing = standing
        self._counted: RegistrySnapshot | None = None

    async def look(self) -> None:
        """Sets the gauges."""
        now = self._standing()
        REVISION.set(now.snapshot.revision)
        AGE.set(math.inf if now.age_s is None else now.age_s)
        STALE.set(now.stale)
        KILLED.set(now.killed)
        if now.snapshot is not self._counted:
            self._counted = now.snapshot
            MISMATCHED.set(len(mismatched(now.snapshot, self._fingerprint)))


def mismatched(snapshot: RegistrySnapshot, fingerprint: str) -> set[str]:
    """Returns the names that have usable versions, none of them for this base model."""
    here = {entry.name for entry in snapshot.available(fingerprint)}
    return {
        name
        for (other, name), versions in snapshot.versions.items()
        if other != fingerprint
        and name not in here
        and any(entry.retired is None for entry in versions.values())
    }
