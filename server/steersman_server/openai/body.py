"""A request's body: what steering takes out of it, and what goes on to the route."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from steersman_vectors.errors import CallerError
from steersman_vectors.plan import EXTRA_ARGS_KEY


@dataclass(frozen=True, slots=True)
class Body:
    """A body as the route will see it, and what was taken out."""

    data: bytes
    payload: Mapping[str, Any] = field(default_factory=dict)
    """The JSON object, without `steering`; empty for a body that is none."""
    steering: Any = None
    """The `steering` field as it came; None when it is absent."""
    profile: str | None = None
    """From the model field, `BASE:profile`; the route sees `BASE`."""


def read_body(
    data: bytes, models: Collection[str] = (), profiles: Callable[[], Collection[str]] = tuple
) -> Body:
    """Returns the body; one that is no JSON object is left to the route as it is.

    models: names of the base model. profiles: gives those that may be chosen; it is asked only for
    a model field that could name one. Raises `CallerError(steering_not_allowed)` when a request
    tries to bring a plan of its own.
    """
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        return Body(data)
    if not isinstance(payload, dict):
        return Body(data)
    xargs = payload.get("vllm_xargs")
    if isinstance(xargs, dict) and EXTRA_ARGS_KEY in xargs:
        raise CallerError(
            f"'vllm_xargs.{EXTRA_ARGS_KEY}' is reserved; use the 'steering' field",
            code="steering_not_allowed",
            param="vllm_xargs",
        )
    base, profile = _split(payload.get("model"), models, profiles)
    if profile is None and "steering" not in payload:
        return Body(data, payload)
    if profile is not None:
        payload["model"] = base
    steering = payload.pop("steering", None)
    return Body(json.dumps(payload).encode(), payload, steering, profile)


def check_beside(payload: Mapping[str, Any], scope: str | None) -> None:
    """Refuses what a steered request may not ask for beside its steering.

    Raises `CallerError(steering_unsupported)`.
    """
    if payload.get("use_beam_search"):
        raise CallerError(
            "steering is not available with beam search; remove 'use_beam_search' or 'steering'",
            code="steering_unsupported",
            param="use_beam_search",
        )
    arguments = payload.get("chat_template_kwargs")
    inside = isinstance(arguments, dict) and arguments.get("chat_template")
    if (payload.get("chat_template") or inside) and scope == "assistant":
        raise CallerError(
            "assistant turns are found by the server's chat template, and this request brings its "
            "own. Remove 'chat_template', or set 'steering.scope' to 'generation' or 'all'",
            code="steering_unsupported",
            param="chat_template",
        )


def _split(
    model: object, models: Collection[str], profiles: Callable[[], Collection[str]]
) -> tuple[str, str | None]:
    """Returns (base model, profile); no profile unless it is one."""
    if isinstance(model, str) and model not in models:
        base, _, name = model.rpartition(":")
        if base in models and name in profiles():
            return base, name
    return "", None
