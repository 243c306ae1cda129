"""The decision: one pure function from a request and a registry snapshot to a plan or a refusal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from steersman_vectors.card import Preset, Scope, VectorCard
from steersman_vectors.engine_contract import why_not_served
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.names import parse_ref
from steersman_vectors.plan import MAX_ALPHA, SteeringPlan
from steersman_vectors.reach import Reach, check_reach, reach_of
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.schedule import CONSTANT, AnySchedule

from .decision import AppliedVector, Decision
from .request import PARAM, SteeringRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the running engine can do; fixed at start."""

    fingerprint: str
    """Of the base model that is served."""
    layers: frozenset[int]
    """Decoder blocks with a hook."""
    assistant_scope: OperatorError | None
    """None when the chat template gave turn markers, else why not."""

    token_scale: bool = False
    """Whether vectors of scale `token` can be used."""
    largest_value: float = math.inf
    """The largest number that the engine's dtype can hold."""

    def why_not(self, card: VectorCard, param: str | None = None) -> CallerError | None:
        """Returns why requests cannot use a vector with this card, or None when they can."""
        return why_not_served(card, self.layers, token_scale=self.token_scale, param=param)

    @property
    def default_scope(self) -> Scope:
        """Returns the scope of requests and presets that name none."""
        return "assistant" if self.assistant_scope is None else "generation"


def resolve(
    request: SteeringRequest | bool | None, snapshot: RegistrySnapshot, engine: EngineFacts
) -> Decision:
    """Returns the decision for a request's parsed `steering` field.

    Raises `CallerError`: vector_not_found, vector_model_mismatch, preset_not_found,
    alpha_out_of_range, vector_repeated, scale_not_served, vector_layers_not_served,
    schedule_conflict, scope_conflict, chat_template_unsupported.
    """
    if not isinstance(request, SteeringRequest):
        reason = "request_off" if request is False else "default"
        return Decision(None, (), reason, snapshot.revision)  # type: ignore[arg-type]
    applied: list[AppliedVector] = []
    doses: list[tuple[float, Reach]] = []
    scopes: list[Scope] = []
    schedules: list[AnySchedule] = []
    for text, dial in request.vectors.items():
        entry = _find(text, snapshot, engine)
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
    check_reach(doses, engine.largest_value, f"{PARAM}.vectors")
    scope = request.scope or _agreed("scope", scopes) or engine.default_scope
    schedule = request.schedule or _agreed("schedule", schedules) or CONSTANT
    plan = _plan(applied, _available(scope, engine), schedule)
    return Decision(
        plan if plan.terms else None, tuple(applied), "request", snapshot.revision, scope
    )


def _find(text: str, snapshot: RegistrySnapshot, engine: EngineFacts) -> VectorEntry:
    try:
        ref = parse_ref(text)
    except CallerError as error:
        known = ", ".join(e.name for e in snapshot.available(engine.fingerprint)[:8]) or "none"
        message = f"{error.message}. Registered vectors: {known}"
        raise CallerError(message, code=error.code, param=f"{PARAM}.vectors") from error
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
    if abs(alpha) > limit:
        raise CallerError(
            f"alpha {alpha:g} of vector {text!r} is out of range: its card allows |alpha| <= "
            f"{limit:g}",
            code="alpha_out_of_range",
            param=f"{PARAM}.vectors.{text}",
        )


def _check_once(entry: VectorEntry, applied: Iterable[AppliedVector], text: str) -> None:
    """Refuses a second name for the same vector: together they could exceed its alpha_max."""
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
