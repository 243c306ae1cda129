"""Operations on policies and profiles; both are checked before they are in force."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from steersman_vectors.errors import CallerError
from steersman_vectors.names import check_name
from steersman_vectors.registry.documents import DocumentWrite, delete_document
from steersman_vectors.registry.store import RegistryStore

from ..configuration import Configuration
from ..policies.policy import Policy
from ..policies.profile import EVERYBODY, Profile
from ..tenants.tenant import LOCAL, UNRESTRICTED, Tenant
from .checks import policy_problems, steering_problems
from .documents import Done, MissingError, checked, document, faults, write
from .effects import World, broken, of_profile
from .tenants import find_tenant


async def set_policy(
    store: RegistryStore, tenant: str, value: Any, *, actor: str,
    fingerprints: Collection[str] = (), labels: Collection[str] | None = None,
    safety_labels: Collection[str] = (),
) -> Done:  # fmt: skip
    """Replaces the tenant's rules.

    fingerprints: base models that they must work for; labels: intents that the classifier knows;
    safety_labels: those of safety. Raises `CallerError`: not_found, `invalid_policy` with all that
    is wrong.
    """
    policy = checked(Policy, value, "policy")
    snapshot = await store.current()

    def check(now: Configuration) -> list[str]:
        limits = limits_of(now, tenant)
        return policy_problems(policy, limits, now, snapshot, fingerprints, labels, safety_labels)

    seen = Configuration.of(snapshot.documents)
    found = await asyncio.to_thread(check, seen)  # may take a second

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        problems = found if now.parsed == seen.parsed else check(now)
        if problems:
            raise CallerError(
                f"the policy was not written: {'; '.join(problems)}", code="invalid_policy"
            )
        yield document("policy", tenant, policy)

    return Done(await write(store, decide, actor=actor))


async def check_policy(
    store: RegistryStore, tenant: str, value: Any, *, fingerprints: Collection[str] = (),
    labels: Collection[str] | None = None, safety_labels: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """Returns all that keeps `set_policy` from writing these rules; writes nothing.

    Raises `CallerError(not_found)` for a tenant that does not exist.
    """
    snapshot = await store.current()
    now = Configuration.of(snapshot.documents)
    limits = limits_of(now, tenant)
    try:
        policy = Policy.model_validate(value)
    except ValidationError as error:
        return faults(error, "policy")
    return policy_problems(policy, limits, now, snapshot, fingerprints, labels, safety_labels)


async def delete_policy(store: RegistryStore, tenant: str, *, actor: str) -> Done:
    """Removes the tenant's rules; its default remains."""

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        find_policy(now, tenant)
        yield delete_document("policy", tenant)

    return Done(await write(store, decide, actor=actor))


async def set_profile(
    store: RegistryStore, name: str, value: Any, *, actor: str,
    fingerprints: Collection[str] = (),
) -> Done:  # fmt: skip
    """Writes a profile; whom of its tenants it cannot serve is a warning.

    Raises `CallerError`: invalid_name, not_found, `invalid_profile` when it could serve nobody.
    """
    check_name(name, what="profile name")
    profile = checked(Profile, value, "profile")
    snapshot = await store.current()
    warnings: list[str] = []

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        problems = steering_problems(profile.steer, UNRESTRICTED, now, snapshot, fingerprints)
        if problems:
            raise CallerError(
                f"the profile was not written: {'; '.join(problems)}", code="invalid_profile"
            )
        named = [t for t in profile.tenants if t not in (EVERYBODY, LOCAL)]
        tenants = {t: find_tenant(now, t) for t in named}
        warnings[:] = [
            f"tenant {tenant!r} cannot use it: {problem}"
            for tenant, limits in tenants.items()
            for problem in steering_problems(profile.steer, limits, now, snapshot, fingerprints)
        ]
        yield document("profile", name, profile)

    revision = await write(store, decide, actor=actor)
    return Done(revision, tuple(warnings))


async def delete_profile(store: RegistryStore, name: str, *, actor: str) -> Done:
    """Removes a profile; requests that name it are refused from then on.

    Rules for requests that name it are a warning.
    """
    before = Configuration()

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        nonlocal before
        before = now
        find_profile(now, name)
        yield delete_document("profile", name)

    snapshot = await store.current()
    revision = await write(store, decide, actor=actor)
    left = replace(before, profiles={n: p for n, p in before.profiles.items() if n != name})
    worlds = World(before, snapshot), World(left, snapshot)
    warnings = await asyncio.to_thread(broken, *worlds, (), of_profile(name))
    return Done(revision, warnings)


def find_profile(configuration: Configuration, name: str) -> Profile:
    """Returns the profile; raises `MissingError(not_found)` naming those that exist."""
    profile = configuration.profiles.get(name)
    if profile is None:
        known = ", ".join(configuration.profiles) or "none"
        raise MissingError(f"no profile {name[:80]!r}; there are: {known}", code="not_found")
    return profile


def find_policy(configuration: Configuration, tenant: str) -> Policy:
    """Returns the tenant's policy; raises `MissingError(not_found)` when it has none."""
    policy = configuration.policies.get(tenant)
    if policy is None:
        raise MissingError(f"tenant {tenant[:80]!r} has no policy", code="not_found")
    return policy


def limits_of(configuration: Configuration, tenant: str) -> Tenant:
    """Returns the tenant; `local`, which has no limits, too. Raises `MissingError(not_found)`."""
    return UNRESTRICTED if tenant == LOCAL else find_tenant(configuration, tenant)
