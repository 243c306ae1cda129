"""What the decision log keeps of a request. Pure."""

from __future__ import annotations

from typing import Any

from ..admission.decision import Decision
from ..admission.inbound import Caller


def decided(request_id: str, path: str, caller: Caller, decision: Decision) -> dict[str, Any]:
    """Returns the line of a request that was let in."""
    line: dict[str, Any] = {
        **_who(request_id, path, caller),
        "reason": decision.reason,
        "revision": decision.revision,
        "applied": [
            {"vector": v.name, "version": v.version, "alpha": v.alpha} for v in decision.applied
        ],
    }
    if decision.intent is not None:
        line["intent"] = {
            "label": decision.intent.label,
            "score": round(decision.intent.score, 4),
            "source": decision.intent.source,
        }
    if decision.flags:
        line["flags"] = {flag.flag: flag.variant for flag in decision.flags}
    if decision.switched_off:
        line["switched_off"] = list(decision.switched_off)
    if decision.scale != 1.0:
        line["backed_off"] = decision.scale
    if decision.fallback is not None:
        line["fallback"] = decision.fallback.code
    return line


def refused(
    request_id: str, path: str, caller: Caller, code: str, http_status: int
) -> dict[str, Any]:
    """Returns the line of a request that was not."""
    return {**_who(request_id, path, caller), "refused": code, "status": http_status}


def _who(request_id: str, path: str, caller: Caller) -> dict[str, Any]:
    return {
        "request_id": request_id[:128],
        "path": path,
        "tenant": caller.name,
        "key": caller.key_id,
    }
