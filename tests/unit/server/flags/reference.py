"""The plain twin of `FlagSet`: flagd-core itself, on the flagd file that we export."""

from __future__ import annotations

import json
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.flag_evaluation import Reason

from steersman_server.flags.builtin import OFF, is_gate
from steersman_server.flags.context import FlagContext
from steersman_server.flags.definition import FlagDefinition, FlagRecord
from steersman_server.flags.evaluate import FlagSet
from steersman_server.flags.flagd_file import as_flagd


class Reference:
    """Gives (variant, value) as flagd-core does; what a flagd file cannot say is filled in."""

    def __init__(self, records: dict[str, FlagRecord]) -> None:
        self.flags = FlagSet.of(records)
        self.core = FlagdCore()
        # A copy: flagd-core takes `defaultVariant` out of the dictionaries that it is given.
        self.core.set_flags(json.dumps(as_flagd(self.flags)))

    def evaluate(self, key: str, context: FlagContext) -> tuple[str, Any]:
        record = self.flags.record(key)
        assert record is not None
        definition = record.definition
        safe = OFF if is_gate(key) else definition.default_variant
        resolve, default = self._resolver(definition)
        try:
            found = resolve(key, default, context.for_flagd())
        except Exception:  # targeting failed
            return safe, definition.variants[safe]
        if found.reason == Reason.DISABLED:
            return safe, definition.variants[safe]
        return found.variant, found.value

    def _resolver(self, definition: FlagDefinition) -> tuple[Any, Any]:
        value = next(iter(definition.variants.values()))
        if isinstance(value, bool):
            return self.core.resolve_boolean_value, False
        if isinstance(value, int | float):
            return self.core.resolve_float_value, -1.0
        if isinstance(value, str):
            return self.core.resolve_string_value, "none"
        return self.core.resolve_object_value, {}
