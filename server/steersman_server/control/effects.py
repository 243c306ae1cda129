"""What a change of flags, profiles or vectors breaks of what was written before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..configuration import Configuration
from ..policies.policy import When
from ..policies.profile import EVERYBODY, Profile
from ..policies.steering import Steering
from ..tenants.tenant import LOCAL, UNRESTRICTED, Tenant
from .checks import policy_problems, steering_problems

MAX_TOLD = 50

Concerns = Callable[[When, Steering | None], bool]
"""Whether a change can matter to a rule, or to a default or profile (whose condition is empty)."""


@dataclass(frozen=True, slots=True)
class World:
    """What steering is checked against, before a change or after it."""

    configuration: Configuration
    snapshot: RegistrySnapshot


def broken(
    before: World, after: World, fingerprints: Collection[str], concerns: Concerns
) -> tuple[str, ...]:
    """Returns the problems of defaults, rules and profiles that there were not before.

    fingerprints: base models that they must work for; none: one that is registered.
    """
    known = set(_problems(before, fingerprints, concerns))
    return _told(_problems(after, fingerprints, concerns), known)


def profiles_lost(
    before: World, after: World, fingerprints: Collection[str], tenant: str
) -> tuple[str, ...]:
    """Returns the problems that a tenant has with its profiles and did not have before."""

    def problems(world: World) -> Iterator[str]:
        limits = {tenant: world.configuration.tenants[tenant]}
        return _of_profiles(world, fingerprints, lambda *_: True, limits)

    return _told(problems(after), set(problems(before)))


def _told(problems: Iterator[str], known: Collection[str]) -> tuple[str, ...]:
    found = [each for each in problems if each not in known]
    more = len(found) - MAX_TOLD
    return (*found[:MAX_TOLD], *([f"and {more} more"] if more > 0 else []))


def asks(flags: Collection[str]) -> Concerns:
    """Returns what is true of all that asks one of these flags."""
    keys = set(flags)
    return lambda when, steer: bool(keys & {*when.flag, *(steer.flags if steer else ())})


def may_name(vector: str) -> Concerns:
    """Returns what is true of steering with this vector; a flag's variants may have it."""

    def concerns(_: When, steer: Steering | None) -> bool:
        if steer is None:
            return False
        return steer.flag is not None or vector in (ref.partition("@")[0] for ref in steer.vectors)

    return concerns


def of_profile(name: str) -> Concerns:
    """Returns what is true of rules for requests of this profile."""
    return lambda when, _: name in (when.profile or ())


def _problems(world: World, fingerprints: Collection[str], concerns: Concerns) -> Iterator[str]:
    yield from _of_defaults(world, fingerprints, concerns)
    yield from _of_rules(world, fingerprints, concerns)
    yield from _of_profiles(world, fingerprints, concerns, world.configuration.tenants)


def _of_defaults(world: World, fingerprints: Collection[str], concerns: Concerns) -> Iterator[str]:
    now, snapshot = world.configuration, world.snapshot
    for name, tenant in now.tenants.items():
        if tenant.default is not None and concerns(When(), tenant.default):
            for problem in steering_problems(tenant.default, tenant, now, snapshot, fingerprints):
                yield f"tenant {name!r}, default: {problem}"


def _of_rules(world: World, fingerprints: Collection[str], concerns: Concerns) -> Iterator[str]:
    now, snapshot = world.configuration, world.snapshot
    for name, policy in now.policies.items():
        limits = UNRESTRICTED if name == LOCAL else now.tenants.get(name)
        rules = tuple(rule for rule in policy.rules if concerns(rule.when, rule.steer or None))
        if limits is not None and rules:
            some = policy.model_copy(update={"rules": rules})
            for problem in policy_problems(some, limits, now, snapshot, fingerprints):
                yield f"tenant {name!r}, {problem}"


def _of_profiles(
    world: World, fingerprints: Collection[str], concerns: Concerns, tenants: Mapping[str, Tenant]
) -> Iterator[str]:
    now, snapshot = world.configuration, world.snapshot
    for name, profile in now.profiles.items():
        if not concerns(When(), profile.steer):
            continue
        problems = steering_problems(profile.steer, UNRESTRICTED, now, snapshot, fingerprints)
        yield from (f"profile {name!r}: {problem}" for problem in problems)
        of_limits: dict[str, list[str]] = {}  # thousands of tenants may have the same
        for tenant, limits in _choosers(profile, tenants):
            key = limits.model_dump_json(include={"vectors", "alpha_caps", "dose_cap"})
            if key not in of_limits:
                found = steering_problems(profile.steer, limits, now, snapshot, fingerprints)
                of_limits[key] = [problem for problem in found if problem not in problems]
            for problem in of_limits[key]:
                yield f"profile {name!r}, tenant {tenant!r}: {problem}"


def _choosers(profile: Profile, tenants: Mapping[str, Tenant]) -> Iterator[tuple[str, Tenant]]:
    """Yields the tenants that may choose the profile, those whom it names first."""
    yield from ((name, tenants[name]) for name in profile.tenants if name in tenants)
    if EVERYBODY in profile.tenants:
        yield from ((n, each) for n, each in tenants.items() if n not in profile.tenants)
