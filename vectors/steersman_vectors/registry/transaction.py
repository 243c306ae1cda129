"""One change of the registry: its writes, the revision and the log entry in one atomic step.

WATCH, MULTI, EXEC and nothing else, so it needs no scripts, which managed Redis may forbid. It is
optimistic: whoever commits first wins; the other finds the revision moved, reads again, and decides
anew on what is there then. Redis applies EXEC as a whole, in memory and in its append-only file.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import redis.asyncio
import redis.exceptions
from redis.asyncio.client import Pipeline

from ..errors import OperatorError, SteersmanError
from . import layout
from .connection import FOREIGN_ERRORS

ATTEMPTS = 100
PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction writes: Redis commands, and what the log says about them.

    NOTE: EXEC goes on after a command that fails, so `Decide` reads every key that is written here
    before: a key of a wrong type is met there.
    """

    kind: str
    subject: str
    before: str
    after: str
    writes: tuple[tuple[str | bytes, ...], ...]


Decide = Callable[[Pipeline], Awaitable[Change | Sequence[Change] | None]]
"""Reads what it needs and returns the change, or nothing when all is as it should be already.

Several changes are made together or not at all, each with a revision and a log entry of its own.
"""


async def commit(client: redis.asyncio.Redis, decide: Decide, *, actor: str) -> int | None:
    """Returns the last revision that was made, or None when there was nothing to change.

    Raises `OperatorError`: `registry_busy` when others keep being faster, `registry_rolled_back`
    when the log is ahead of the revision, `registry_unavailable` with what may have happened.
    """
    for attempt in range(ATTEMPTS):
        await asyncio.sleep(random.uniform(0.0, PAUSE_S * attempt))
        async with client.pipeline(transaction=True) as pipe:
            await pipe.watch(layout.REV, layout.LOG)
            revision = await _revision(pipe)
            try:
                decided = await decide(pipe)
                await _check_log(pipe, revision)
            except SteersmanError:
                # A refusal counts only if nobody wrote between the reads that it is based on.
                if await _revision(pipe) == revision:
                    raise
                continue
            changes = _listed(decided)
            if not changes:
                if await _revision(pipe) == revision:
                    return None
                continue
            _queue(pipe, changes, revision, actor)
            if await _execute(pipe):
                return revision + len(changes)
    raise OperatorError(
        f"other writers changed the registry {ATTEMPTS} times in the meantime: nothing was "
        "changed. Try again when they are done",
        code="registry_busy",
    )


async def _revision(pipe: Pipeline) -> int:
    return layout.decode_revision(cast(bytes | None, await pipe.get(layout.REV)))


def _listed(decided: Change | Sequence[Change] | None) -> Sequence[Change]:
    if decided is None:
        return ()
    return (decided,) if isinstance(decided, Change) else decided


def _queue(pipe: Pipeline, changes: Sequence[Change], revision: int, actor: str) -> None:
    at = datetime.now(UTC).isoformat()
    pipe.multi()  # type: ignore[no-untyped-call]
    for number, change in enumerate(changes, start=revision + 1):
        entry: dict[Any, Any] = {
            "kind": change.kind,
            "subject": change.subject,
            "actor": actor,
            "at": at,
            "before": change.before,
            "after": change.after,
        }
        pipe.xadd(layout.LOG, entry, id=layout.log_id(number))
        for command in change.writes:
            pipe.execute_command(*command)
    pipe.set(layout.REV, revision + len(changes))
    pipe.set(layout.ID, uuid4().hex, nx=True)


async def _execute(pipe: Pipeline) -> bool:
    """Returns whether the change was made; False when another writer was faster."""
    try:
        await pipe.execute()
    except redis.exceptions.WatchError:
        return False
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise OperatorError(
            f"the registry did not confirm the change: {reason}. It was made as a whole or not at "
            "all: see `steersman vectors log` before you do it again",
            code="registry_unavailable",
        ) from error
    except FOREIGN_ERRORS as error:
        raise OperatorError(
            f"the registry refused the change: {error}. Nothing was changed",
            code="registry_unavailable",
        ) from error
    return True


async def _check_log(pipe: Pipeline, revision: int) -> None:
    newest = cast(list[tuple[bytes, Any]], await pipe.xrevrange(layout.LOG, count=1))
    logged = int(newest[0][0].split(b"-")[0]) if newest else 0
    if logged > revision:
        raise OperatorError(
            f"the registry lost its revision: it says {revision}, its log goes to {logged}. "
            f"Restore Redis from a backup, or set {layout.REV} to {logged}; nothing was changed",
            code="registry_rolled_back",
        )
