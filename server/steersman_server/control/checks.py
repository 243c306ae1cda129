"""What is wrong with steering that an operator writes, told before it is in force. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice, product

from steersman_vectors.errors import CallerError
from steersman_vectors.names import parse_ref
from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..admission.choice import doses_of
from ..admission.dosing import Doses, dose
from ..admission.engine_facts import EngineFacts
from ..admission.inbound import MAX_TEXT
from ..configuration import Configuration
from ..flags.definition import VECTOR_PREFIX
from ..flags.evaluation import Evaluation
from ..policies.policy import Policy, When
from ..policies.steering import Steering
from ..tenants.tenant import Tenant

ANY_LAYER = frozenset(range(1024))
NO_MODEL = "sha256:" + "0" * 64
MAX_COMBINATIONS = 300
"""Of variants of several flags in one steering."""


def steering_problems(
    steering: Steering, tenant: Tenant, configuration: Configuration, snapshot: RegistrySnapshot,
    fingerprints: Collection[str],
) -> list[str]:  # fmt: skip
    """Returns what would keep this steering from being applied to the tenant's requests.

    fingerprints: base models that it must work for, each; none: it must for one that is registered.
    Of flags, every variant is tried.
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
    safety_labels: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """Returns what is wrong with a policy, rule by rule.

    labels: intents that the classifier knows; None when nobody can tell. safety_labels: those of
    them whose requests are unsteered before any rule is asked.
    """
    problems: list[str] = []
    for k, rule in enumerate(policy.rules):
        found = [*_condition_problems(rule.when, configuration, labels)]
        covering = next((r for r in policy.rules[:k] if covers(r.when, rule.when)), None)
        if covering is not None:
            found.append(f"it is never reached: {covering.name!r} takes all of its requests")
        if rule.when.intent is not None and _within(rule.when.intent, safety_labels):
            found.append("it is never reached: requests of safety intents are unsteered before")
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
    if not set(second.profile or (None,)) <= set(first.profile or (None,)):
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
    for key, values in when.metadata.items():
        for length in (len(value) for value in values if len(value) > MAX_TEXT):
            yield (
                f"metadata {key!r}: no request has a value of {length} characters, as only those "
                f"of up to {MAX_TEXT} are looked at"
            )
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
    """Yields evaluations: every variant of every flag, and all combinations while they are few."""
    records = {key: configuration.flags.record(key) for key in steering.flags}
    variants = {
        key: [Evaluation(key, name, value, "static") for name, value in found.items()]
        for key, record in records.items()
        if record is not None and (found := record.definition.variants)
    }
    for k in range(max(map(len, variants.values()), default=1)):
        yield {key: each[min(k, len(each) - 1)] for key, each in variants.items()}
    for combination in islice(product(*variants.values()), MAX_COMBINATIONS):
        yield dict(zip(variants, combination, strict=True))


def _dose_problems(
    doses: Doses, tenant: Tenant, snapshot: RegistrySnapshot, fingerprints: Collection[str]
) -> list[str]:
    if fingerprints:
        found = [_problem(doses, tenant, snapshot, each) for each in sorted(fingerprints)]
        return [problem for problem in found if problem is not None]
    # A model that was upgraded leaves vectors behind: steering need not work for those of old.
    names = {f for text in doses.vectors for f in snapshot.fingerprints_of(_name(text))}
    models = sorted(names or {f for f, _ in snapshot.versions}) or [NO_MODEL]
    found = [_problem(doses, tenant, snapshot, each) for each in models]
    return [] if None in found else [problem for problem in found[:1] if problem is not None]


def _problem(
    doses: Doses, tenant: Tenant, snapshot: RegistrySnapshot, fingerprint: str
) -> str | None:
    try:
        dose(doses, tenant, snapshot, EngineFacts(fingerprint, ANY_LAYER, None, token_scale=True))
    except CallerError as error:
        return error.message
    return None


def _name(text: str) -> str:
    try:
        return parse_ref(text).name
    except CallerError:
        return text
