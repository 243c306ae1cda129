"""What `steersman explain` shows to people. Pure: from the JSON that programs get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .output import printable
from .tenant_views import grid, plain_table

Shown = Mapping[str, Any]


def parts(found: Shown) -> list[Any]:
    """Returns the steps, what came of them, and the dose per layer."""
    table = plain_table("step", "looked at", "outcome")
    for step in found["steps"]:
        table.add_row(printable(step["step"]), _text(step["input"]), printable(step["outcome"]))
    if "refusal" in found:
        return [table, "", grid(list(_refusal(found["refusal"])))]
    shown: list[Any] = [table, "", grid(list(_decision(found["decision"])))]
    if found["dose_per_layer"]:
        shown += ["", _doses(found["dose_per_layer"])]
    return shown


def _refusal(refusal: Shown) -> Iterator[tuple[str, str]]:
    yield "refused", f"{refusal['status']} {refusal['code']}"
    yield "message", refusal["message"]


def _decision(decision: Shown) -> Iterator[tuple[str, str]]:
    applied = [f"{v['vector']}@{v['version']} alpha {v['alpha']:g}" for v in decision["applied"]]
    yield "applied", ", ".join(applied) or "nothing: the request runs unsteered"
    yield "reason", decision["reason"]
    if "scope" in decision:
        yield "scope", decision["scope"]
        yield "schedule", json.dumps(decision["schedule"])
    if decision.get("intent"):
        yield "intent", f"{decision['intent']['label']} at {decision['intent']['score']:g}"
    if "flags" in decision:
        yield "flags", ", ".join(f"{flag}={is_}" for flag, is_ in decision["flags"].items())
    if "switched_off" in decision:
        yield "switched off", ", ".join(decision["switched_off"])
    if "backed_off" in decision:
        yield "backed off", f"every alpha times {decision['backed_off']:g}"
    if "fallback" in decision:
        yield "fell back", f"{decision['fallback']['code']}: {decision['fallback']['message']}"
    yield "revision", str(decision["revision"])


def _doses(doses: list[Shown]) -> Any:
    table = plain_table("layer", "added norm", "of the residual stream", "of each token's norm")
    for dose in doses:
        table.add_row(
            str(dose["layer_idx"]),
            f"{dose['norm']:.4g}",
            "not measured" if dose["of_residual"] is None else f"{dose['of_residual']:.1%}",
            f"{dose['of_token']:.1%}" if dose["of_token"] else "-",
        )
    return table


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return printable(value if isinstance(value, str) else json.dumps(value))
