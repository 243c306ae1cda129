"""A dry run of admission: every step with what it looked at and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from steersman_vectors.errors import CallerError, SteersmanError
from steersman_vectors.formats import native
from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..admission.engine_facts import EngineFacts
from ..admission.inbound import (
    LOCAL_CALLER,
    MAX_METADATA,
    MAX_TEXT,
    Caller,
    Inbound,
    texts_of,
)
from ..admission.refusals import NotFoundError
from ..admission.request import parse_steering
from ..admission.resolve import Situation, resolve, wants_intent
from ..admission.trace import Steps
from ..configuration import Configuration
from ..intent.contract import Intent, IntentClassifier
from ..intent.user_turn import UserTurn
from ..openai.models import profiles_of
from ..tenants.tenant import LOCAL
from .checks import ANY_LAYER, NO_MODEL
from .doses import doses_per_layer
from .tenants import find_tenant

ReadBlob = Callable[[str], Awaitable[bytes]]


class Question(BaseModel):
    """A request to explain: as the tenant would send it, or as far as it matters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str = LOCAL
    text: str = Field(default="", max_length=100_000)
    """The latest user turn."""
    context: tuple[str, ...] = Field(default=(), max_length=100)
    """Earlier user turns, newest last."""
    profile: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    user: str | None = Field(default=None, max_length=MAX_TEXT)
    steering: Any = None
    """As it came: what is wrong with it is what the request would be told."""
    intent: str | None = None
    """Take this intent for granted where the classifier would be asked."""


async def explain(
    question: Question, situation: Situation, classifier: IntentClassifier | None, read: ReadBlob
) -> dict[str, Any]:
    """Returns the steps, the decision or refusal, and the dose per layer, as JSON."""
    steps = Steps()
    caller = _caller(situation.configuration, question.tenant)
    try:
        inbound = inbound_of(question, caller, situation.configuration)
        _note_ignored(question, inbound, steps)
        inbound = await _with_intent(inbound, question, situation, classifier, steps)
        decision = resolve(inbound, situation, steps)
        if inbound.profile != question.profile:  # vLLM does not know it, and says so last
            raise NotFoundError(
                f"no profile {str(question.profile)[:80]!r} for this tenant; GET /v1/models lists "
                "them",
                code="model_not_found",
                param="model",
            )
        doses = [] if decision.plan is None else [
            asdict(dose) for dose in doses_per_layer(
                [(native.loads(await read(digest)), alpha) for digest, alpha in decision.plan.terms]
            )
        ]  # fmt: skip
        outcome: dict[str, Any] = {"decision": decision.body_field(), "dose_per_layer": doses}
    except SteersmanError as error:
        outcome = {
            "refusal": {
                "status": error.http_status, "code": error.code, "message": error.message,
                "param": error.param,
            }
        }  # fmt: skip
    return {
        "tenant": question.tenant,
        "revision": situation.snapshot.revision,
        "steps": [step.as_json() for step in steps.steps],
        **outcome,
    }


def inbound_of(question: Question, caller: Caller, configuration: Configuration) -> Inbound:
    """Returns what admission would know of the request; raises what `parse_steering` raises.

    As at the edge: a model that names no profile of the tenant's is vLLM's to refuse.
    """
    known = question.profile in profiles_of(configuration.profiles, caller.name)
    return Inbound(
        caller,
        parse_steering(question.steering),
        profile=question.profile if known else None,
        metadata=texts_of(question.metadata),
        user=question.user,
    )


def offline_situation(
    snapshot: RegistrySnapshot, fingerprints: Collection[str], *, kill_switch: str | None,
    safety_labels: Collection[str],
) -> Situation:  # fmt: skip
    """Returns what a server on this registry would decide by, as far as the registry tells.

    fingerprints: base models that it may serve. Raises `CallerError(model_ambiguous)` for several.
    """
    if len(fingerprints) > 1:
        raise CallerError(
            f"vectors of {len(fingerprints)} base models are registered: "
            f"{', '.join(sorted(fingerprints))}. Say which is served, with --model FOLDER or "
            "--model with the start of its fingerprint",
            code="model_ambiguous",
        )
    served = next(iter(fingerprints), NO_MODEL)
    engine = EngineFacts(served, ANY_LAYER, None, token_scale=True)
    configuration = Configuration.of(snapshot.documents)
    return Situation(snapshot, configuration, engine, kill_switch, safety_labels)


async def _with_intent(
    inbound: Inbound, question: Question, situation: Situation,
    classifier: IntentClassifier | None, steps: Steps,
) -> Inbound:  # fmt: skip
    given = question.intent
    if given is None and classifier is None:
        steps.note("intent", None, "no classifier is loaded")
        return inbound
    if not wants_intent(inbound, situation):
        steps.note("intent", given, "not asked: it could not change the decision")
        return inbound
    if given is not None:
        without = "; without a classifier no request has one"
        steps.note("intent", given, f"as given{without if classifier is None else ''}")
        return replace(inbound, intent=Intent(given, 1.0, given, "given"))
    if classifier is None or not question.text.strip():
        steps.note("intent", None, "there is no user turn to classify")
        return inbound
    intent = await classifier.classify(UserTurn(question.text, question.context))
    steps.note("intent", f"{len(question.text)} characters", _said(intent))
    return replace(inbound, intent=intent)


def _note_ignored(question: Question, inbound: Inbound, steps: Steps) -> None:
    left_out = [key[:80] for key in question.metadata if key not in inbound.metadata]
    if left_out:
        looked_at = f"the first {MAX_METADATA} texts of up to {MAX_TEXT} characters are looked at"
        steps.note("metadata", left_out[:8], f"ignored: {looked_at}")
    if inbound.profile != question.profile:
        steps.note("model", question.profile, "names no profile of this tenant's: vLLM refuses it")


def _said(intent: Intent) -> str:
    if intent.label is None:
        return f"abstained ({intent.source}: best {intent.best} at {intent.score:.3f})"
    return f"{intent.label} at {intent.score:.3f} ({intent.source})"


def _caller(configuration: Configuration, name: str) -> Caller:
    if name == LOCAL:
        return LOCAL_CALLER
    return Caller(name, find_tenant(configuration, name))
