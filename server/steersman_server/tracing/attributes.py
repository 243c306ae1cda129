"""What spans say of a request: names, numbers, never its text. Pure."""

from __future__ import annotations

from ..admission.decision import Decision
from ..admission.inbound import Caller

Value = str | int | float | list[str] | list[float]
Attributes = dict[str, Value]

REQUEST_ID = "steering.request_id"
"""As the decision log has it: `x-request-id`, or what the server drew where there was none."""
ENGINE_REQUEST_ID = "gen_ai.request.id"
"""vLLM's own id of the request, under the name that vLLM's spans have it."""
MAX_ID_CHARS = 128
"""As many as the decision log keeps."""


def asked(request_id: str, path: str, caller: Caller) -> Attributes:
    """Returns who asks, and where."""
    return {
        REQUEST_ID: request_id[:MAX_ID_CHARS],
        "steering.tenant": caller.name,
        "http.route": path,
    }


def decided(decision: Decision) -> Attributes:
    """Returns what was decided about a request that was let in.

    `steering.vectors` and `steering.alphas` are of one length and order.
    """
    said: Attributes = {
        "steering.outcome": "unsteered" if decision.plan is None else "steered",
        "steering.reason": decision.reason,
        "steering.revision": decision.revision,
        "steering.vectors": [f"{v.name}@{v.version}" for v in decision.applied],
        "steering.alphas": [float(v.alpha) for v in decision.applied],
    }
    if decision.scope is not None:
        said["steering.scope"] = decision.scope
    if decision.intent is not None:
        said["steering.intent"] = decision.intent.label or "none"
    if decision.flags:
        said["steering.flags"] = [f"{flag.flag}={flag.variant}" for flag in decision.flags]
    if decision.scale != 1.0:
        said["steering.backed_off"] = decision.scale
    if decision.fallback is not None:
        said["steering.fallback"] = decision.fallback.code
    return said


def refused(code: str) -> Attributes:
    """Returns what was decided about a request that was not."""
    return {"steering.outcome": "refused", "steering.reason": "none", "error.type": code}
