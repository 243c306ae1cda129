"""`steersman explain`: what would be decided about a request, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steersman_vectors.errors import CallerError

from .options import DataDir, Json, RedisUrl
from .output import EXIT_CODES, print_json, print_people, print_warning

if TYPE_CHECKING:
    from steersman_vectors.registry.store import RegistryStore

    from ..admission.resolve import Situation
    from ..control.explain import Question
    from ..intent.contract import IntentClassifier
    from .registry_access import Where

EXPLAIN_HELP = """
Say what would be decided about a request, step by step, and the dose per layer.

Nothing is generated and no server is needed: a server's own options (steered
layers, data type, chat template) are not looked at.

Examples:

  steersman explain --tenant acme "I was charged twice"

  steersman explain --tenant acme --steering '{"vectors": {"empathy": "low"}}' --user u-17

  steersman explain --tenant acme --intents ./classifier "I was charged twice" --json
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the root app."""

    @app.command("explain", help=EXPLAIN_HELP, epilog=EXIT_CODES)
    def explain(
        data_dir: DataDir,
        text: Annotated[str, typer.Argument(metavar="TEXT", help="The latest user turn.")] = "",
        tenant: Annotated[
            str, typer.Option(help="Whose request; 'local': without a key.")
        ] = "local",
        profile: Annotated[str | None, typer.Option(help="As in `BASE:PROFILE`.")] = None,
        steering: Annotated[
            str | None,
            typer.Option(metavar="JSON|@FILE", help="The request's `steering` field."),
        ] = None,
        metadata: Annotated[
            list[str] | None,
            typer.Option(metavar="K=V", help="Of the request's `metadata`. Repeatable."),
        ] = None,
        user: Annotated[str | None, typer.Option(help="The request's `user`.")] = None,
        intent: Annotated[
            str | None, typer.Option(help="Take this intent for granted, score 1.")
        ] = None,
        intents: Annotated[
            Path | None,
            typer.Option(help="The classifier that the server has; without it none is asked."),
        ] = None,
        model: Annotated[
            str | None,
            typer.Option(
                help="The base model that is served: a folder, hub name, or sha256:<prefix>. "
                "Default: the only one that has vectors."
            ),
        ] = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.documents import checked
        from ..control.explain import Question
        from . import explain_views
        from .registry_access import Where
        from .values import json_or_file, pairs

        question = checked(
            Question,
            {
                "tenant": tenant,
                "text": text,
                "profile": profile,
                "metadata": pairs("--metadata", metadata or (), "channel=web"),
                "user": user,
                "steering": None if steering is None else json_or_file("--steering", steering),
                "intent": intent,
            },
            "question",
        )
        if intent is not None and intents is None and not as_json:
            print_warning(
                "without --intents it is not known which intents are of safety: a server serves "
                "those unsteered"
            )
        found, in_doubt = _explained(question, Where(data_dir, redis_url), intents, model)
        if in_doubt:
            print_warning(
                "no classifier was asked, so a server may decide otherwise: give --intents what "
                "the server was started with"
            )
        if as_json:
            print_json(found)
        else:
            print_people(*explain_views.parts(found))


def _explained(
    question: Question, where: Where, intents: Path | None, model: str | None
) -> tuple[dict[str, Any], bool]:
    """Returns the explanation, and whether the intent, which nobody knew, could change it."""
    from ..control.explain import explain, offline_situation
    from ..intent.load import load_classifier
    from ..kill_file import KillFile
    from .registry_access import look, select_fingerprints

    classifier: IntentClassifier | None = None if intents is None else load_classifier(intents)

    async def operation(store: RegistryStore) -> tuple[dict[str, Any], bool]:
        snapshot = await store.snapshot()
        situation = offline_situation(
            snapshot,
            select_fingerprints(snapshot, model),
            kill_switch=KillFile(where.data_dir).reason() if where.redis_url is None else None,
            safety_labels=frozenset() if classifier is None else classifier.safety_labels,
        )
        try:
            found = await explain(question, situation, classifier, store.blob)
            unknown = classifier is None and question.intent is None
            return found, unknown and _would_ask(question, situation)
        finally:
            if classifier is not None:
                await classifier.aclose()

    return look(where, operation)


def _would_ask(question: Question, situation: Situation) -> bool:
    """Returns whether a server that has a classifier would ask it: for a rule, or for safety."""
    from ..admission.inbound import LOCAL_CALLER, Caller
    from ..admission.resolve import wants_intent
    from ..control.explain import inbound_of

    tenant = situation.configuration.tenants.get(question.tenant)
    caller = LOCAL_CALLER if tenant is None else Caller(question.tenant, tenant)
    try:
        inbound = inbound_of(question, caller, situation.configuration)
    except CallerError:
        return False  # refused as it stands
    return wants_intent(inbound, replace(situation, safety_labels=("any",)))
