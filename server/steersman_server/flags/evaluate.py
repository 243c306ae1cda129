"""All flags at one revision of the registry, evaluated thousands of times a second."""

from __future__ import annotations

from collections.abc import Mapping

from .builtin import BUILT_IN, ON, built_in
from .compiled import CompiledFlag, compile_flag
from .context import FlagContext
from .definition import VECTOR_PREFIX, FlagRecord
from .evaluation import Evaluation, Step
from .explain import explain_flag, explain_missing

__all__ = ["Evaluation", "FlagSet", "Step"]


class FlagSet:
    """Immutable. A built-in flag without a record has its default, a vector's flag is on."""

    __slots__ = ("_flags",)

    def __init__(self, flags: Mapping[str, CompiledFlag]) -> None:
        self._flags = flags

    @classmethod
    def of(cls, records: Mapping[str, FlagRecord]) -> FlagSet:
        """Returns the flags of a registry revision; compiles each once."""
        defaults = {key: FlagRecord(definition=each) for key, each in BUILT_IN.items()}
        return cls({key: compile_flag(key, r) for key, r in {**defaults, **records}.items()})

    @property
    def records(self) -> dict[str, FlagRecord]:
        """Returns the records, built-in flags included, sorted by key."""
        return {key: self._flags[key].record for key in sorted(self._flags)}

    def record(self, key: str) -> FlagRecord | None:
        """Returns one flag's record or built-in default, None when there is no such flag."""
        flag = self._flags.get(key)
        if flag is not None:
            return flag.record
        definition = built_in(key)
        return None if definition is None else FlagRecord(definition=definition)

    def evaluate(self, key: str, context: FlagContext) -> Evaluation:
        """Returns the variant for a context; reason `error` without such a flag. Never raises."""
        flag = self._flags.get(key)
        if flag is not None:
            return flag.evaluate(context)
        if key.startswith(VECTOR_PREFIX):
            return Evaluation(key, ON, True, "static")
        return Evaluation(key, "", None, "error")

    def enabled(self, key: str, context: FlagContext) -> bool:
        """Returns whether the flag is on: its value is true."""
        return self.evaluate(key, context).value is True

    def explain(self, key: str, context: FlagContext) -> list[Step]:
        """Returns the steps to what `evaluate` returns, which is the last one's outcome."""
        flag = self._flags.get(key)
        if flag is not None:
            return explain_flag(flag, context)
        record = self.record(key)
        if record is None:
            return explain_missing(key, self.records)
        return explain_flag(compile_flag(key, record), context)
