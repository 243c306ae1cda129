"""What is wrong with steering that an operator writes, told before it is in force. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from steersman_vectors.errors import CallerError
from steersman_vectors.names import parse_ref
from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..admission.choice import doses_of
from ..admission.dosing import Doses, dose
from ..admission.engine_facts import EngineFacts
from ..configuration import Configuration
from ..flags.definition import VECTOR_PREFIX
from ..flags.evaluation import Evaluation
from ..policies.policy import Policy, When
from ..policies.steering import Steering
from ..tenants.tenant import Tenant

ANY_LAYER = frozenset(range(1024))


def steering_problems(
    steering: Steering, tenant: Tenant, configuration: Configuration, snapshot: RegistrySnapshot,
    fingerprints: Collection[str],
) -> list[str]:  # fmt: skip
    """Returns what would keep this steering from being applied to the tenant's requests.

    fingerprints: base models that it must work for. Of flags, every variant is tried.
    """
    problems = [p for key in steering.flags if (p := _unknown_flag(key, configuration)) is not None]
    if problems:
        return problems
    for variants in _variants(steering, configuration):
        try:
            doses = doses_of(steering, lambda key, v=variants: v[key])  # type: ignore[misc]
        except CallerError as error:
            problems.append(error.message)
            continue
        if doses is not None:
            problems += _dose_problems(doses, tenant, snapshot, fingerprints)
    return list(dict.fromkeys(problems))


def policy_problems(
    policy: Policy, tenant: Tenant, configuration: Configuration, snapshot: RegistrySnapshot,
    fingerprints: Collection[str], labels: Collection[str] | None = None,
) -> list[str]:  # fmt: skip
    """Returns what is wrong with a policy, rule by rule.

    labels: intents that the classifier knows; None when nobody can tell.
    """
    problems: list[str] = []
    for k, rule in enumerate(policy.rules):
        found = [*_condition_problems(rule.when, configuration, labels)]
        covering = next((r for r in policy.rules[:k] if covers(r.when, rule.when)), None)
        if covering is not None:
            found.append(f"it is never reached: {covering.name!r} takes all of its requests")
        if isinstance(rule.steer, Steering):
            found += steering_problems(rule.steer, tenant, configuration, snapshot, fingerprints)
        problems += [f"rule {rule.name!r}: {problem}" for problem in found]
    return problems


def covers(first: When, second: When) -> bool:
    """Returns whether every request that meets `second` meets `first` as well."""
    if first.intent is not None and not _within(second.intent, first.intent):
        return False
    if first.min_score is not None and (second.min_score or 0.0) < first.min_score:
        return False
    if first.profile is not None and not _within(second.profile, first.profile):
        return False
    return all(_within(second.flag.get(k), v) for k, v in first.flag.items()) and all(
        _within(second.metadata.get(k), v) for k, v in first.metadata.items()
    )


def _within(inner: Collection[str] | None, outer: Collection[str]) -> bool:
    return inner is not None and set(inner) <= set(outer)


def _condition_problems(
    when: When, configuration: Configuration, labels: Collection[str] | None
) -> Iterator[str]:
    for key, variants in when.flag.items():
        problem = _unknown_flag(key, configuration)
        record = configuration.flags.record(key)
        if problem is not None or record is None:
            yield problem or key
            continue
        known = record.definition.variants
        for variant in variants:
            if variant not in known:
                yield f"flag {key!r} has no variant {variant!r}; it has: {', '.join(known)}"
    for profile in when.profile or ():
        if profile not in configuration.profiles:
            names = ", ".join(configuration.profiles) or "none"
            yield f"no profile {profile!r}; there are: {names}"
    for label in when.intent or ():
        if labels is not None and label not in labels:
            yield f"the classifier knows no intent {label!r}; it knows: {', '.join(sorted(labels))}"


def _unknown_flag(key: str, configuration: Configuration) -> str | None:
    if configuration.flags.record(key) is not None and not key.startswith(VECTOR_PREFIX):
        return None
    if key.startswith(VECTOR_PREFIX):
        return None if key.removeprefix(VECTOR_PREFIX) else "a vector's flag needs its name"
    return f"no flag {key!r}; define it first with `steersman flags define`"


def _variants(steering: Steering, configuration: Configuration) -> Iterator[dict[str, Evaluation]]:
    """Yields evaluations such that every variant of every flag comes once at least."""
    records = {key: configuration.flags.record(key) for key in steering.flags}
    known = {key: record.definition for key, record in records.items() if record is not None}
    most = max((len(definition.variants) for definition in known.values()), default=1)
    for k in range(most):
        chosen = {}
        for key, definition in known.items():
            names = list(definition.variants)
            name = names[min(k, len(names) - 1)]
            chosen[key] = Evaluation(key, name, definition.variants[name], "static")
        yield chosen


def _dose_problems(
    doses: Doses, tenant: Tenant, snapshot: RegistrySnapshot, fingerprints: Collection[str]
) -> Iterator[str]:
    models = sorted(fingerprints) or sorted({f for name in doses.vectors for f in
                                             snapshot.fingerprints_of(_name(name))})  # fmt: skip
    for fingerprint in models or ["sha256:" + "0" * 64]:
        engine = EngineFacts(fingerprint, ANY_LAYER, None, token_scale=True)
        try:
            dose(doses, tenant, snapshot, engine)
        except CallerError as error:
            yield error.message


def _name(text: str) -> str:
    try:
        return parse_ref(text).name
    except CallerError:
        return text
