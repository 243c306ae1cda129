# ruff: noqa: ARG002 - the client passes its default by name; we raise, and it returns it
"""The flags behind OpenFeature's API, for its hooks and clients.

Requests ask `FlagSet` itself: the OpenFeature client costs many times what an evaluation does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata

from .context import FlagContext
from .evaluate import FlagSet

T = TypeVar("T")
Object = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class FlagProvider(AbstractProvider):
    """Evaluates as `FlagSet.evaluate` does: an error in targeting and a disabled flag included.

    NOTE: the client calls with these keyword names and turns a TypeError into the caller's default.
    """

    def __init__(self, current: Callable[[], FlagSet]) -> None:
        super().__init__()
        self._current = current

    def get_metadata(self) -> Metadata:
        """Returns the provider's name."""
        return Metadata(name="steersman")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """Returns a boolean flag's value; raises OpenFeature's errors, as the next four do."""
        return self._resolve(flag_key, evaluation_context, "boolean", as_boolean)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """Returns a string flag's value."""
        return self._resolve(flag_key, evaluation_context, "string", as_string)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """Returns a whole number; 2.0 is none, as in flagd-core."""
        return self._resolve(flag_key, evaluation_context, "integer", as_integer)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """Returns a number; the client wants whole ones as floats too."""
        return self._resolve(flag_key, evaluation_context, "number", as_float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Object,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Object]:
        """Returns an object."""
        return self._resolve(flag_key, evaluation_context, "object", as_object)

    def _resolve(
        self,
        key: str,
        context: EvaluationContext | None,
        expected: str,
        read: Callable[[object], T | None],
    ) -> FlagResolutionDetails[T]:
        flags = self._current()
        record = flags.record(key)
        if record is None:
            raise FlagNotFoundError(f"there is no flag {key!r}")
        found = flags.evaluate(key, flag_context(context))
        value = read(found.value)
        if value is None:
            raise TypeMismatchError(f"flag {key!r} is no {expected}: got {found.value!r}")
        return FlagResolutionDetails(
            value,
            reason=found.reason.upper(),
            variant=found.variant,
            flag_metadata=record.definition.metadata,
        )


def flag_context(context: EvaluationContext | None) -> FlagContext:
    """Returns our context; attribute `tenant` is the tenant, and the targeting key without one."""
    if context is None:
        return FlagContext("", "")
    tenant = str(context.attributes.get("tenant", ""))
    return FlagContext(tenant, context.targeting_key or tenant, context.attributes)  # type: ignore[arg-type]


def as_boolean(value: object) -> bool | None:
    """Returns the value as a boolean flag's, None for another type; so do the others here."""
    return value if isinstance(value, bool) else None


def as_string(value: object) -> str | None:
    """Returns a string."""
    return value if isinstance(value, str) else None


def as_integer(value: object) -> int | None:
    """Returns a whole number; True is none, though Python thinks so."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_float(value: object) -> float | None:
    """Returns any number as a float."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else None  # type: ignore[arg-type]


def as_object(value: object) -> Object | None:
    """Returns an object."""
    return value if isinstance(value, dict) else None
