"""Flags and contexts that several tests use."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from steersman_server.flags.context import FlagContext
from steersman_server.flags.definition import FlagDefinition, FlagRecord

GATE = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
AB: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"control": 0.0, "mild": 0.4, "strong": 0.8},
    "defaultVariant": "control",
    "metadata": {"description": "How much empathy"},
}


def definition(**changes: Any) -> FlagDefinition:
    return FlagDefinition.model_validate({**GATE, **changes})


def record(overrides: dict[str, str] | None = None, **changes: Any) -> FlagRecord:
    return FlagRecord(definition=definition(**changes), overrides=overrides or {})


def ab(overrides: dict[str, str] | None = None, **changes: Any) -> FlagRecord:
    made = FlagDefinition.model_validate({**AB, **changes})
    return FlagRecord(definition=made, overrides=overrides or {})


def context(tenant: str = "acme", user: str = "", **attributes: JsonValue) -> FlagContext:
    return FlagContext(tenant, user or tenant, attributes)
