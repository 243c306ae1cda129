"""From what operators wrote to vectors and dials: rules matched, flags asked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from steersman_vectors.errors import CallerError

from ..flags.evaluation import Evaluation
from ..policies.policy import Policy, Rule, When, metadata_meets
from ..policies.steering import FlagDial, Steering
from .dosing import Doses
from .inbound import Inbound
from .request import SteeringRequest, alpha_or_preset
from .trace import Trace

Ask = Callable[[str], Evaluation]
"""Evaluates a flag for the request, and remembers that it had a say."""


def first_rule(policy: Policy, inbound: Inbound, ask: Ask, trace: Trace) -> Rule | None:
    """Returns the first rule whose condition the request meets.

    A request that names a profile meets only rules that name it: others would take from the client
    what it chose.
    """
    for rule in policy.rules:
        missing = _missing(rule.when, inbound, ask)
        trace.note(
            f"policy rule {rule.name!r}",
            rule.when,
            "holds" if missing is None else missing,
        )
        if missing is None:
            return rule
    return None


def doses_of(steering: Steering, ask: Ask) -> Doses | None:
    """Returns the vectors and dials that an operator's steering means now; None for no steering.

    Raises `CallerError(flag_value_invalid)` for a variant whose value is none that fits.
    """
    if steering.flag is not None:
        return _of_variant(ask(steering.flag))
    dials = {text: _dial(dial, ask) for text, dial in steering.vectors.items()}
    return Doses(dials, steering.scope, steering.schedule)


def _missing(when: When, inbound: Inbound, ask: Ask) -> str | None:
    """Returns what of the condition does not hold; None when all does."""
    if when.intent is not None:
        intent = inbound.intent
        if intent is None:
            return "no intent is known"
        if intent.label not in when.intent:
            return f"intent is {intent.label or 'none'}"
        if when.min_score is not None and intent.score < when.min_score:
            return f"score {intent.score:.3f} is below {when.min_score:g}"
    if inbound.profile not in (when.profile or (None,)):
        return f"profile is {inbound.profile or 'none'}"
    if not metadata_meets(when.metadata, inbound.metadata):
        return "metadata differ"
    # Flags last, so that only those are evaluated, and told, whose answer matters.
    for flag, variants in when.flag.items():
        got = ask(flag).variant
        if got not in variants:
            return f"flag {flag} is {got or 'not defined'}"
    return None


def _dial(dial: float | str | FlagDial, ask: Ask) -> float | str:
    if not isinstance(dial, FlagDial):
        return dial
    evaluation = ask(dial.flag)
    if evaluation.value is False:
        return 0.0
    try:
        return alpha_or_preset(evaluation.value)
    except ValueError as error:
        raise _invalid(evaluation, str(error)) from error


def _of_variant(evaluation: Evaluation) -> Doses | None:
    value: Any = evaluation.value
    if value is False or value in ({}, {"vectors": {}}):
        return None
    if not isinstance(value, Mapping):
        raise _invalid(evaluation, 'expected {"vectors": {name: alpha or preset}}, or {} for none')
    try:
        request = SteeringRequest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _invalid(evaluation, f"{where}: {first['msg']}") from error
    return Doses(request.vectors, request.scope, request.schedule)


def _invalid(evaluation: Evaluation, why: str) -> CallerError:
    return CallerError(
        f"variant {evaluation.variant!r} of flag {evaluation.flag!r} has no value to steer with: "
        f"{why}. Set it with `steersman flags define`",
        code="flag_value_invalid",
    )
