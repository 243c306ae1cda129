"""Whether the servers on a data directory follow the registry that a command works on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.store import RegistryStore

from ..processes import ProcessReport, recent

HEARD_AGAIN = (None, "registry_unavailable")
"""Errors of a server that follows, or will once the registry answers it."""


async def unfollowed(data_dir: Path, store: RegistryStore) -> str | None:
    """Returns which servers on the directory do not follow its registry, and the remedy; or None.

    A registry that was wiped or replaced is not believed by those that knew the one before.
    """
    reports = recent(data_dir / "processes")  # before the revision, which only grows
    try:
        strays = stray(reports, await store.revision()) if reports else []
    except OperatorError:
        return None  # it answered the command itself, and that is what the command tells
    if not strays:
        return None
    pids = ", ".join(str(report.pid) for report in strays)
    return (
        f"the server on {data_dir} (process {pids}) does not follow this registry: it serves by "
        f"what it knew at revision {strays[0].revision}. Restore the registry from a backup; "
        f"or, to have what it holds now, stop the server, remove {data_dir / 'registry-copy'} and "
        "start it again"
    )


def stray(reports: Sequence[ProcessReport], revision: int) -> list[ProcessReport]:
    """Returns the processes that do not follow a registry that is at this revision or later."""
    return [
        report
        for report in reports
        if report.error not in HEARD_AGAIN or report.revision > revision
    ]
