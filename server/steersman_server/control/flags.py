"""Operations on flags, and the kill switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from steersman_vectors.errors import CallerError
from steersman_vectors.registry.documents import DocumentWrite, delete_document
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from ..configuration import KILL_SWITCH, Configuration, Switch
from ..flags.builtin import built_in, check_gate
from ..flags.change import redefine, set_default, set_override, set_rollout
from ..flags.compiled import is_final
from ..flags.definition import VECTOR_PREFIX, FlagDefinition, FlagRecord, check_flag_key
from ..flags.evaluate import FlagSet
from ..tenants.tenant import LOCAL
from .documents import Done, MissingError, document, write
from .effects import World, asks, broken
from .tenants import find_tenant

_Changing = Callable[[Configuration, FlagRecord], FlagRecord]


async def set_flag(
    store: RegistryStore, key: str, variant: str, *, actor: str, tenant: str | None = None
) -> Done:
    """Gives everybody, or one tenant, a variant; raises `CallerError`: not_found, ...

    What keeps it from having an effect is a warning.
    """
    warnings = _unknown_vector(key, await store.current())

    def change(now: Configuration, record: FlagRecord) -> FlagRecord:
        if tenant is None:
            return set_default(record, variant)
        _check_tenant(now, tenant)
        if is_final(key, record.definition):
            warnings.append(_ignored(key, record))
        return set_override(record, tenant, variant)

    done = await _change(store, key, change, actor=actor)
    return Done(done.revision, tuple(dict.fromkeys(warnings)))


async def unset_flag(store: RegistryStore, key: str, *, tenant: str, actor: str) -> Done:
    """Takes a tenant's override away; without one nothing is written."""

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        record = find_flag(now, key)
        if tenant in record.overrides:
            yield document("flag", key, set_override(record, tenant, None))
        elif tenant != LOCAL:
            find_tenant(now, tenant)  # a name that was mistyped is no success

    return Done(await write(store, decide, actor=actor))


async def roll_out(
    store: RegistryStore, key: str, weights: Mapping[str, int], *, actor: str,
    tenants: Collection[str] | None = None,
) -> Done:  # fmt: skip
    """Shares the flag's variants out among users, of all or of some tenants."""

    def change(now: Configuration, record: FlagRecord) -> FlagRecord:
        for tenant in tenants or ():
            _check_tenant(now, tenant)
        return set_rollout(key, record, weights, tenants)

    return await _change(store, key, change, actor=actor)


async def define_flags(
    store: RegistryStore, definitions: Mapping[str, FlagDefinition], *, actor: str,
    fingerprints: Collection[str] = (),
) -> Done:  # fmt: skip
    """Defines flags anew, in one step; overrides stay where their variants still exist.

    What asks them and cannot be applied any more, with one of the variants, is a warning.
    """
    for key, definition in definitions.items():
        check_gate(key, definition)

    before = Configuration()

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        nonlocal before
        before = now
        for key, definition in definitions.items():
            yield document("flag", key, redefine(now.flags.record(key), definition))

    snapshot = await store.current()
    revision = await write(store, decide, actor=actor)
    if revision is None:
        return Done(None)
    was, is_now = World(before, snapshot), World(_defined(before, definitions), snapshot)
    warnings = await asyncio.to_thread(broken, was, is_now, fingerprints, asks(definitions))
    return Done(revision, warnings)


async def delete_flag(store: RegistryStore, key: str, *, actor: str) -> Done:
    """Removes a flag; a built-in one goes back to its default.

    Raises `CallerError`: not_found, `flag_in_use` while a policy, profile or default asks it.
    """

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        find_flag(now, key)
        users = [] if built_in(key) is not None else sorted(_users(now, key))
        if users:
            raise CallerError(
                f"flag {key!r} is asked by {', '.join(users[:8])}; change that first",
                code="flag_in_use",
            )
        yield delete_document("flag", key)

    return Done(await write(store, decide, actor=actor))


async def set_kill_switch(store: RegistryStore, *, on: bool, actor: str, reason: str = "") -> Done:
    """Serves everybody unsteered, on every server of this registry; or ends that."""

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        if on:
            yield document("switch", KILL_SWITCH, Switch(reason=reason[:500]))
        elif now.kill_switch is not None:
            yield delete_document("switch", KILL_SWITCH)

    return Done(await write(store, decide, actor=actor))


def find_flag(configuration: Configuration, key: str) -> FlagRecord:
    """Returns the flag; raises `MissingError(not_found)` naming those that exist."""
    check_flag_key(key)
    record = configuration.flags.record(key)
    if record is None:
        known = ", ".join(configuration.flags.records)
        raise MissingError(
            f"no flag {key!r}; there are: {known}. Define one with `steersman flags define`",
            code="not_found",
        )
    return record


def _defined(before: Configuration, definitions: Mapping[str, FlagDefinition]) -> Configuration:
    new = {key: redefine(before.flags.record(key), each) for key, each in definitions.items()}
    return replace(before, flags=FlagSet.of({**before.flags.records, **new}))


async def _change(store: RegistryStore, key: str, change: _Changing, *, actor: str) -> Done:
    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        yield document("flag", key, change(now, find_flag(now, key)))

    return Done(await write(store, decide, actor=actor))


def _check_tenant(configuration: Configuration, tenant: str) -> None:
    if tenant != LOCAL:
        find_tenant(configuration, tenant)


def _ignored(key: str, record: FlagRecord) -> str:
    if record.definition.state == "DISABLED":
        return f"the override is ignored while {key} is DISABLED: `steersman flags set` enables it"
    return (
        f"the override is ignored while {key} is off for everybody: it acts again after "
        f"`steersman flags set {key} on`, or during a rollout"
    )


def _unknown_vector(key: str, snapshot: RegistrySnapshot) -> list[str]:
    name = key.removeprefix(VECTOR_PREFIX)
    if name == key or snapshot.fingerprints_of(name):
        return []
    names = sorted({known for _, known in snapshot.versions})
    return [f"no vector {name!r} is registered; there are: {', '.join(names[:8]) or 'none'}"]


def _users(configuration: Configuration, key: str) -> Iterator[str]:
    """Yields what asks the flag."""
    for name, tenant in configuration.tenants.items():
        if tenant.default is not None and key in tenant.default.flags:
            yield f"the default of tenant {name}"
    for name, profile in configuration.profiles.items():
        if key in profile.steer.flags:
            yield f"profile {name}"
    for name, policy in configuration.policies.items():
        for rule in policy.rules:
            if key in rule.when.flag or (rule.steer and key in rule.steer.flags):
                yield f"rule {rule.name} of tenant {name}"
