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
from ..admission.inbound import LOCAL_CALLER, Caller, Inbound
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
    metadata: dict[str, str] = Field(default_factory=dict, max_length=64)
    user: str | None = Field(default=None, max_length=512)
    steering: dict[str, Any] | bool | None = None
    intent: str | None = None
    """Take this intent for granted instead of asking the classifier."""


async def explain(
    question: Question, situation: Situation, classifier: IntentClassifier | None, read: ReadBlob
) -> dict[str, Any]:
    """Returns the steps, the decision or refusal, and the dose per layer, as JSON."""
    steps = Steps()
    inbound = Inbound(
        _caller(situation.configuration, question.tenant),
        None,
        profile=question.profile,
        metadata=question.metadata,
        user=question.user,
    )
    try:
        _check_profile(question, situation.configuration)
        inbound = replace(inbound, steering=parse_steering(question.steering))
        inbound = await _with_intent(inbound, question, situation, classifier, steps)
        decision = resolve(inbound, situation, steps)
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
    if question.intent is not None:
        steps.note("intent", question.intent, "as given")
        intent = Intent(question.intent, 1.0, question.intent, "given")
        return replace(inbound, intent=intent)
    if classifier is None:
        steps.note("intent", None, "no classifier is loaded")
        return inbound
    if not wants_intent(inbound, situation):
        steps.note("intent", None, "not asked: it could not change the decision")
        return inbound
    if not question.text.strip():
        steps.note("intent", None, "there is no user turn to classify")
        return inbound
    intent = await classifier.classify(UserTurn(question.text, question.context))
    steps.note("intent", f"{len(question.text)} characters", _said(intent))
    return replace(inbound, intent=intent)


def _check_profile(question: Question, configuration: Configuration) -> None:
    """Raises what vLLM answers to a model that it does not know, before anything is decided."""
    name = question.profile
    if name is not None and name not in profiles_of(configuration.profiles, question.tenant):
        raise NotFoundError(
            f"no profile {name[:80]!r} for this tenant; GET /v1/models lists them",
            code="model_not_found",
            param="model",
        )


def _said(intent: Intent) -> str:
    if intent.label is None:
        return f"abstained ({intent.source}: best {intent.best} at {intent.score:.3f})"
    return f"{intent.label} at {intent.score:.3f} ({intent.source})"


def _caller(configuration: Configuration, name: str) -> Caller:
    if name == LOCAL:
        return LOCAL_CALLER
    return Caller(name, find_tenant(configuration, name))
