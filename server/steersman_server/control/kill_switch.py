"""The kill switch of a running server: in the registry for all servers, on this disk without it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.store import RegistryStore

from ..configuration import Configuration
from ..kill_file import KillFile
from .flags import set_kill_switch

log = structlog.get_logger("steersman.kill_switch")

REGISTRY_S = 2.0
"""Longest that an emergency waits for the registry."""
_SILENT = f"the registry did not answer within {REGISTRY_S:g} s"


@dataclass(frozen=True, slots=True)
class Shown:
    """Where steering is switched off, and why; None where it is not."""

    registry: str | None
    file: str | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of it."""

    revision: int | None
    """At which the registry has it; None when the registry has it already, or does not answer."""
    by_file: bool = False
    warnings: tuple[str, ...] = ()


async def look_at(store: RegistryStore, file: KillFile, known: Configuration) -> Shown:
    """Returns both switches; the file's whatever the registry does.

    known: what this server last heard from the registry, and acts by while that does not answer.
    """
    warnings: tuple[str, ...] = ()
    try:
        async with asyncio.timeout(REGISTRY_S):
            known = Configuration.of((await store.current()).documents, known)
    except TimeoutError:
        warnings = (f"{_SILENT}. Shown is what this server last heard from it",)
    except OperatorError as error:
        warnings = (f"{error.message}. Shown is what this server last heard from it",)
    switch = known.kill_switch
    in_registry = None if switch is None else switch.reason or "in the registry"
    return Shown(in_registry, file.reason(), warnings)


async def switch_off(
    store: RegistryStore, file: KillFile, *, actor: str, reason: str = ""
) -> Pulled:
    """Serves everybody unsteered: through the registry, or, where it does not answer, by the file.

    Raises `OperatorError(kill_file_not_written)` when neither can be had.
    """
    try:
        return Pulled(await _in_registry(store, on=True, actor=actor, reason=reason))
    except OperatorError as error:
        try:
            await asyncio.to_thread(file.set, reason or f"by {actor}")
        except OSError as failed:
            raise OperatorError(
                f"{error.message}; and {file.path} cannot be written: {failed.strerror}. Steering "
                "is still on; stop the server, or create that file",
                code="kill_file_not_written",
            ) from failed
        log.warning("kill_switch_by_file", actor=actor, path=str(file.path), message=error.message)
        return Pulled(
            None,
            by_file=True,
            warnings=(
                f"{error.message}. The file {file.path} is set instead: the servers on that data "
                "directory serve unsteered, others do not know of it",
            ),
        )


async def switch_on(
    store: RegistryStore, file: KillFile, known: Configuration, *, actor: str
) -> Pulled:
    """Takes both switches back; known: what this server last heard from the registry.

    Raises `OperatorError` when the registry's is on and the registry does not answer: steering
    stays off then.
    """
    try:
        cleared = await asyncio.to_thread(file.clear)
    except OSError as error:
        raise OperatorError(
            f"{file.path} cannot be removed: {error.strerror}; steering stays off until it is",
            code="kill_file_not_removed",
        ) from error
    if cleared:
        log.warning("kill_file_removed", actor=actor, path=str(file.path))
    try:
        return Pulled(await _in_registry(store, on=False, actor=actor), by_file=cleared)
    except OperatorError as error:
        if known.kill_switch is not None:
            raise
        warning = f"{error.message}. Its own switch was off when it was last heard"
        return Pulled(None, by_file=cleared, warnings=(warning,))


async def _in_registry(
    store: RegistryStore, *, on: bool, actor: str, reason: str = ""
) -> int | None:
    try:
        async with asyncio.timeout(REGISTRY_S):
            await store.current()  # one that was wiped is not the one that servers follow
            done = await set_kill_switch(store, on=on, actor=actor, reason=reason)
    except TimeoutError as error:
        raise OperatorError(_SILENT, code="registry_unavailable") from error
    return done.revision
