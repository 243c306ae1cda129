"""One flag made ready for requests: everything that can be decided beforehand is.

Order, first hit wins:

1. `DISABLED`: a gate is off, another flag its default variant. For everybody.
2. A gate that is on by default and was set to `off`, without targeting: off. For everybody.
3. The tenant's override.
4. Targeting; null is the default variant. On an error a gate is off, another flag its default.
5. The default variant.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from openfeature.contrib.tools.flagd.core.targeting import targeting as evaluate_targeting
from pydantic import JsonValue

from .builtin import OFF, is_gate, misshapen, off_is_final
from .context import FlagContext
from .definition import FlagDefinition, FlagRecord
from .evaluation import Evaluation, Reason

# NOTE: flagd logs an error, with traceback, for each version that `sem_ver` cannot read. Callers
# choose those texts; an explanation shows what came of them.
logging.getLogger("openfeature.contrib").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    """One flag as requests evaluate it."""

    key: str
    record: FlagRecord
    overrides: Mapping[str, Evaluation]
    """By tenant; empty when they have no say."""
    targeting: dict[str, JsonValue] | None
    """None when it has no say."""
    matches: Mapping[str, Evaluation]
    """By what targeting gives."""
    otherwise: Evaluation
    failed: Evaluation

    def evaluate(self, context: FlagContext) -> Evaluation:
        """Returns the variant for a context. Never raises."""
        override = self.overrides.get(context.tenant)
        if override is not None:
            return override
        if self.targeting is None:
            return self.otherwise
        try:
            outcome = evaluate_targeting(self.key, self.targeting, context.for_flagd())
        except Exception:  # an operator's program on a caller's data: it can fail in any way
            return self.failed
        return self.of_outcome(outcome)

    def of_outcome(self, outcome: object) -> Evaluation:
        """Returns the evaluation for what targeting gave; read as flagd reads it."""
        if outcome is None:
            return self.otherwise
        name = str(outcome).lower() if isinstance(outcome, bool) else str(outcome)
        return self.matches.get(name, self.failed)


def switched_off(key: str, definition: FlagDefinition) -> bool:
    """Returns whether the flag is a gate that is off for everybody, overrides or not."""
    default_off = definition.targeting is None and definition.default_variant == OFF
    return off_is_final(key) and default_off


def is_final(key: str, definition: FlagDefinition) -> bool:
    """Returns whether one variant holds for everybody, overrides and targeting unasked."""
    return (
        definition.state == "DISABLED"
        or switched_off(key, definition)
        or misshapen(key, definition)
    )


def compile_flag(key: str, record: FlagRecord) -> CompiledFlag:
    """Returns the flag ready for requests."""
    definition = record.definition
    final = is_final(key, definition)

    def variant(name: str, reason: Reason) -> Evaluation:
        return Evaluation(key, name, definition.variants[name], reason)

    def safe(reason: Reason) -> Evaluation:
        if is_gate(key):
            return Evaluation(key, OFF, False, reason)
        return variant(definition.default_variant, reason)

    if definition.state == "DISABLED":
        otherwise = safe("disabled")
    elif misshapen(key, definition):  # nobody can define it so; the registry may hold anything
        otherwise = safe("error")
    else:
        static = definition.targeting is None
        otherwise = variant(definition.default_variant, "static" if static else "default")
    overrides = {} if final else record.overrides
    return CompiledFlag(
        key=key,
        record=record,
        overrides={tenant: variant(own, "override") for tenant, own in overrides.items()},
        targeting=None if final else definition.targeting,
        matches={name: variant(name, "targeting_match") for name in definition.variants},
        otherwise=otherwise,
        failed=safe("error"),
    )
