"""From vectors and dials to a plan, within the limits of vector, tenant and engine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from steersman_vectors.card import Preset, Scope
from steersman_vectors.errors import CallerError
from steersman_vectors.names import parse_ref
from steersman_vectors.plan import MAX_ALPHA, SteeringPlan
from steersman_vectors.reach import Reach, check_reach, reach_of
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.schedule import CONSTANT, AnySchedule

from ..tenants.tenant import Tenant
from .decision import AppliedVector
from .engine_facts import EngineFacts
from .refusals import NotAllowedError
from .request import PARAM

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Doses:
    """What is asked for: vectors with alphas or presets, where, and how it develops."""

    vectors: Mapping[str, float | str]
    scope: Scope | None = None
    schedule: AnySchedule | None = None


@dataclass(frozen=True, slots=True)
class Dosed:
    """What runs."""

    plan: SteeringPlan | None
    """None when nothing is added."""
    applied: tuple[AppliedVector, ...]
    scope: Scope | None


NOTHING = Dosed(None, (), None)


def dose(
    asked: Doses, tenant: Tenant, snapshot: RegistrySnapshot, engine: EngineFacts,
    scale: float = 1.0,
) -> Dosed:  # fmt: skip
    """Returns the plan for what is asked, every alpha multiplied by `scale`.

    scale: from 0 to 1. What is asked is held against the limits as it stands, so a back-off refuses
    nothing and lets nothing in; what is applied is then below them.
    Raises `CallerError`: vector_not_found, vector_model_mismatch, vector_retired, preset_not_found,
    steering_not_allowed, alpha_out_of_range, dose_out_of_range, vector_repeated, scale_not_served,
    vector_layers_not_served, schedule_conflict, scope_conflict, chat_template_unsupported.
    """
    applied: list[AppliedVector] = []
    doses: list[tuple[float, Reach]] = []
    scopes: list[Scope] = []
    schedules: list[AnySchedule] = []
    for text, dial in asked.vectors.items():
        entry = _find(text, tenant, snapshot, engine)
        card = entry.card
        preset = _preset(entry, dial, text) if isinstance(dial, str) else Preset(alpha=dial)
        _check_alpha(entry, preset.alpha, text)
        _check_once(entry, applied, text)
        named = dial if isinstance(dial, str) else None
        applied.append(AppliedVector(entry.name, entry.version, preset.alpha, entry.digest, named))
        if preset.alpha != 0.0:  # what adds nothing has no say in where and how
            doses.append((preset.alpha, reach_of(card)))
            scopes.append(preset.scope or card.scope or engine.default_scope)
            schedules.append(preset.schedule or card.schedule or CONSTANT)
    _check_caps(applied, tenant)
    check_reach(doses, engine.largest_value, f"{PARAM}.vectors")
    scope = asked.scope or _agreed("scope", scopes) or engine.default_scope
    schedule = asked.schedule or _agreed("schedule", schedules) or CONSTANT
    if scale != 1.0:
        applied = [replace(vector, alpha=vector.alpha * scale) for vector in applied]
    plan = _plan(applied, _available(scope, engine), schedule)
    return Dosed(plan if plan.terms else None, tuple(applied), scope)


def _find(
    text: str, tenant: Tenant, snapshot: RegistrySnapshot, engine: EngineFacts
) -> VectorEntry:
    try:
        ref = parse_ref(text)
    except CallerError as error:
        known = [e.name for e in snapshot.available(engine.fingerprint) if tenant.allows(e.name)]
        message = f"{error.message}. Registered vectors: {', '.join(known[:8]) or 'none'}"
        raise CallerError(message, code=error.code, param=f"{PARAM}.vectors") from error
    # NOTE: before the registry is asked, so that the answer is the same whether the vector exists.
    if not tenant.allows(ref.name):
        raise NotAllowedError(
            f"this tenant may not use vector {ref.name!r}; it may use: "
            f"{', '.join(tenant.vectors) or 'none'}. An operator allows more with "
            "`steersman tenants update --allow-vector`",
            code="steering_not_allowed",
            param=f"{PARAM}.vectors",
        )
    entry = snapshot.find(ref, engine.fingerprint)
    refusal = engine.why_not(entry.card, f"{PARAM}.vectors")
    if refusal is not None:
        raise refusal
    return entry


def _preset(entry: VectorEntry, name: str, text: str) -> Preset:
    preset = entry.card.presets.get(name)
    if preset is None:
        known = ", ".join(entry.card.presets) or "none; give a number (alpha)"
        raise CallerError(
            f"vector {text!r} has no preset {name[:80]!r}; it has: {known}",
            code="preset_not_found",
            param=f"{PARAM}.vectors.{text}",
        )
    return preset


def _check_alpha(entry: VectorEntry, alpha: float, text: str) -> None:
    limit = entry.card.alpha_max if entry.card.alpha_max is not None else MAX_ALPHA
    if not abs(alpha) <= limit:
        raise _out_of_range(f"alpha {alpha:g} of vector {text!r}", "its card", limit, text)


def _check_caps(applied: Sequence[AppliedVector], tenant: Tenant) -> None:
    """Holds what is applied against the tenant's caps; versions of one vector count together."""
    for name, cap in tenant.alpha_caps.items():
        alpha = math.fsum(abs(vector.alpha) for vector in applied if vector.name == name)
        if not alpha <= cap:
            raise _out_of_range(f"alpha {alpha:g} of vector {name!r}", "this tenant's cap", cap,
                                name)  # fmt: skip
    total = math.fsum(abs(vector.alpha) for vector in applied)
    if tenant.dose_cap is not None and not total <= tenant.dose_cap:
        raise CallerError(
            f"the combined dose {total:g} (the sum of |alpha|) is out of range: this tenant's cap "
            f"allows {tenant.dose_cap:g}",
            code="dose_out_of_range",
            param=f"{PARAM}.vectors",
        )


def _out_of_range(what: str, whose: str, limit: float, text: str) -> CallerError:
    return CallerError(
        f"{what} is out of range: {whose} allows |alpha| <= {limit:g}",
        code="alpha_out_of_range",
        param=f"{PARAM}.vectors.{text}",
    )


def _check_once(entry: VectorEntry, applied: Iterable[AppliedVector], text: str) -> None:
    """Refuses a second name for the same vector: together they could exceed its limits."""
    if any(entry.digest == other.digest for other in applied):
        raise CallerError(
            f"{text!r} names {entry.name}@{entry.version}, which this request names already; "
            "name a vector once, with the alpha that you want in all",
            code="vector_repeated",
            param=f"{PARAM}.vectors.{text}",
        )


def _agreed(what: str, values: Iterable[T]) -> T | None:
    """Returns the value that all vectors agree on, None without any; raises when they do not.

    NOTE: one row per request holds the sum of all vectors, so there is one gate for all of them.
    """
    seen: list[T] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    if len(seen) > 1:
        raise CallerError(
            f"the vectors of this request want different {what}s "
            f"({' and '.join(map(str, seen))}), and one request has one {what}: name it in "
            f"'steering.{what}'",
            code=f"{what}_conflict",
            param=f"{PARAM}.{what}",
        )
    return seen[0] if seen else None


def _available(scope: Scope, engine: EngineFacts) -> Scope:
    if scope == "assistant" and engine.assistant_scope is not None:
        why = engine.assistant_scope
        raise CallerError(why.message, code=why.code, param=why.param)
    return scope


def _plan(applied: Iterable[AppliedVector], scope: Scope, schedule: AnySchedule) -> SteeringPlan:
    terms = tuple((v.digest, v.alpha) for v in applied)
    return SteeringPlan(terms=terms, scope=scope, schedule=schedule)
