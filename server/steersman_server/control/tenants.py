"""Operations on tenants and their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from steersman_vectors.errors import CallerError
from steersman_vectors.names import check_name
from steersman_vectors.registry.documents import DocumentWrite, delete_document
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from ..configuration import Configuration
from ..flags.change import set_override
from ..flags.logic import may_name
from ..tenants.keys import ID_CHARACTERS, MAX_LABEL, ApiKey, NewKey, Role, make_key
from ..tenants.tenant import ALL, LOCAL, OTHER, Tenant
from .checks import policy_problems, steering_problems
from .documents import Done, ExistsError, MissingError, checked, document, write
from .effects import World, profiles_lost

OPENED = (
    "no tenant and no key is left: a server that listens on loopback only, without --api-key, "
    "serves whoever asks on its machine now, without a key and without limits. An operator's key "
    "ends that: `steersman keys create --role admin`"
)


async def create_tenant(
    store: RegistryStore, name: str, fields: Mapping[str, Any], *, actor: str,
    fingerprints: Collection[str] = (),
) -> Done:  # fmt: skip
    """Creates a tenant; raises `CallerError`: invalid_name, invalid_tenant, already_exists."""
    if check_name(name, what="tenant name") == LOCAL:
        raise CallerError(
            f"{LOCAL!r} is the tenant of requests that need no key; choose another name",
            code="invalid_name",
        )
    if name == OTHER:
        raise CallerError(
            f"{OTHER!r} is what metrics call all tenants beyond those with a label of their own; "
            "choose another name",
            code="invalid_name",
        )
    tenant = checked(Tenant, dict(fields), "tenant")
    snapshot = await store.current()

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        if name in now.tenants:
            raise ExistsError(
                f"tenant {name!r} exists already; change it with `steersman tenants update`",
                code="already_exists",
            )
        _check_default(tenant, now, snapshot, fingerprints)
        yield document("tenant", name, tenant)

    revision = await write(store, decide, actor=actor)
    return Done(revision, _unknown_vectors(tenant, snapshot))


async def update_tenant(
    store: RegistryStore, name: str, changes: Mapping[str, Any], *, actor: str,
    fingerprints: Collection[str] = (),
) -> Done:  # fmt: skip
    """Changes the named fields of a tenant.

    What its policy and its profiles then cannot do any more is a warning. Raises `CallerError`:
    not_found, invalid_tenant.
    """
    snapshot = await store.current()
    warnings: list[str] = []
    before = after = Configuration()

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        nonlocal before, after
        fields = find_tenant(now, name).model_dump(mode="json")
        tenant = checked(Tenant, {**fields, **changes}, "tenant")
        _check_default(tenant, now, snapshot, fingerprints)
        policy = now.policy_of(name)
        problems = policy_problems(policy, tenant, now, snapshot, fingerprints)
        warnings[:] = [*_unknown_vectors(tenant, snapshot), *problems]
        if tenant.backoff is None and name in now.backoffs:
            warnings.append(
                f"tenant {name!r} is still backed off; `steersman tenants backoff clear {name}` "
                "restores its steering"
            )
        before, after = now, replace(now, tenants={**now.tenants, name: tenant})
        yield document("tenant", name, tenant)

    revision = await write(store, decide, actor=actor)
    worlds = World(before, snapshot), World(after, snapshot)
    lost = await asyncio.to_thread(profiles_lost, *worlds, fingerprints, name)
    return Done(revision, (*warnings, *lost))


async def delete_tenant(store: RegistryStore, name: str, *, actor: str) -> Done:
    """Removes a tenant with its keys, its policy and its overrides of flags, in one step.

    Profiles and flags' targeting that still name it are warnings: a new tenant of the same name
    would have them. So is that no key is needed any more.
    """
    warnings: list[str] = []

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        find_tenant(now, name)
        warnings[:] = [
            f"profile {profile!r} still names tenant {name!r}"
            for profile, value in now.profiles.items()
            if name in value.tenants
        ]
        warnings.extend(
            f"flag {flag!r} may name tenant {name!r} in its targeting"
            for flag, record in now.flags.records.items()
            if may_name(record.definition.targeting, name)
        )
        if len(now.tenants) == 1 and all(key.tenant == name for _, key in now.keys.values()):
            warnings.append(OPENED)
        for key_id, key in now.keys.values():
            if key.tenant == name:
                yield delete_document("key", key_id)
        if name in now.policies:
            yield delete_document("policy", name)
        if name in now.backoffs:
            yield delete_document("backoff", name)
        for flag, record in now.flags.records.items():
            if name in record.overrides:
                yield document("flag", flag, set_override(record, name, None))
        yield delete_document("tenant", name)

    return Done(await write(store, decide, actor=actor), tuple(warnings))


async def create_key(
    store: RegistryStore, *, actor: str, tenant: str | None = None, role: Role | None = None,
    label: str = "", expires_at: datetime | None = None,
) -> NewKey:  # fmt: skip
    """Makes a key of a tenant, or of an operator; the only moment at which it can be seen.

    Raises `CallerError`: not_found, invalid_name, invalid_key.
    """
    if tenant is not None:
        check_name(tenant, what="tenant name")  # before the key's record would refuse it
    if (tenant is None) == (role is None):
        raise CallerError(
            "a key is a tenant's or an operator's: give --tenant NAME or --role ROLE, one of both",
            code="invalid_key",
        )
    now = datetime.now(UTC)
    if expires_at is not None and expires_at <= now:
        raise CallerError(
            f"the key would have expired already: got {expires_at.isoformat()}, expected a time to "
            "come",
            code="invalid_key",
        )
    if len(label) > MAX_LABEL:
        raise CallerError(
            f"the label has {len(label)} characters; at most {MAX_LABEL} are kept",
            code="invalid_key",
            param="label",
        )

    def make() -> NewKey:
        return make_key(now=now, tenant=tenant, role=role, label=label, expires_at=expires_at)

    made = make()

    def decide(there: Configuration) -> Iterator[DocumentWrite]:
        nonlocal made
        if tenant is not None:
            find_tenant(there, tenant)
        while any(key_id == made.id for key_id, _ in there.keys.values()):
            made = make()  # an id has 32 bits: it must not take another key's place
        yield document("key", made.id, made.record)

    await write(store, decide, actor=actor)
    return made


async def revoke_key(store: RegistryStore, key_id: str, *, actor: str) -> Done:
    """Makes a key useless from now on; it stays in the list."""

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        key = find_key(now, key_id)
        if key.revoked_at is None:
            revoked = key.model_copy(update={"revoked_at": datetime.now(UTC)})
            yield document("key", key_id, revoked)

    return Done(await write(store, decide, actor=actor))


def find_tenant(configuration: Configuration, name: str) -> Tenant:
    """Returns the tenant; raises `MissingError(not_found)` naming those that exist."""
    tenant = configuration.tenants.get(name)
    if tenant is None:
        known = ", ".join(sorted(configuration.tenants)[:8]) or "none"
        raise MissingError(f"no tenant {name[:80]!r}; there are: {known}", code="not_found")
    return tenant


def find_key(configuration: Configuration, key_id: str) -> ApiKey:
    """Returns the key with this id; raises `MissingError(not_found)`."""
    for known, key in configuration.keys.values():
        if known == key_id:
            return key
    # What was got is repeated only if it cannot be a whole key.
    shown = repr(key_id) if len(key_id) <= ID_CHARACTERS else "with that id"
    raise MissingError(
        f"no key {shown}; `steersman keys list` shows their ids, the {ID_CHARACTERS} characters "
        "after the prefix",
        code="not_found",
    )


def _check_default(
    tenant: Tenant, configuration: Configuration, snapshot: RegistrySnapshot,
    fingerprints: Collection[str],
) -> None:  # fmt: skip
    if tenant.default is None:
        return
    problems = steering_problems(tenant.default, tenant, configuration, snapshot, fingerprints)
    if problems:
        raise CallerError(
            f"the default steering cannot be applied to this tenant: {'; '.join(problems)}",
            code="invalid_tenant",
            param="default",
        )


def _unknown_vectors(tenant: Tenant, snapshot: RegistrySnapshot) -> tuple[str, ...]:
    named = [*tenant.vectors, *tenant.alpha_caps]
    unknown = sorted({n for n in named if n != ALL and not snapshot.fingerprints_of(n)})
    return tuple(f"no vector {name!r} is registered yet" for name in unknown)
