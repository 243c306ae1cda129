"""One flag as flagd writes it, and what the registry keeps of it: definition and overrides."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from steersman_vectors.card import Name
from steersman_vectors.names import check_name

from .logic import check_targeting

VECTOR_PREFIX = "vector."
"""`vector.NAME` is the flag of the vector NAME."""

MetadataValue = StrictBool | StrictInt | StrictFloat | StrictStr
Variant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Goes into headers, metrics and command lines (`on=10`)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class FlagDefinition(_Frozen):
    """One flag of a flagd file. Its JSON is flagd's: `defaultVariant` in camel case.

    NOTE: flagd lets `defaultVariant` be null, "the caller's default". Requests have no such
    default, so it is required here.
    """

    state: Literal["ENABLED", "DISABLED"]
    variants: dict[Variant, JsonValue] = Field(min_length=1, max_length=64)
    """Values of one type: boolean, number, string or object. Their order is that of rollouts."""
    default_variant: Variant = Field(alias="defaultVariant")
    targeting: dict[str, JsonValue] | None = None
    """JsonLogic that gives a variant's name, or null for the default. `{}` is none, as in flagd."""
    metadata: dict[str, MetadataValue] = Field(default_factory=dict, max_length=32)
    """`description` is shown to operators; the rest is carried along."""

    @property
    def description(self) -> str:
        """Returns what the flag is for, in words."""
        return str(self.metadata.get("description", ""))

    @field_validator("targeting")
    @classmethod
    def _empty_is_none(cls, value: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        return value or None

    @field_validator("variants")
    @classmethod
    def _one_type(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        types = {name: _type_of(variant) for name, variant in value.items()}
        if len(set(types.values())) > 1:
            raise ValueError(f"variants must be of one type, got {types}")
        return value

    @model_validator(mode="after")
    def _names_are_variants(self) -> FlagDefinition:
        if self.default_variant not in self.variants:
            raise ValueError(
                f"defaultVariant {self.default_variant!r} is no variant; "
                f"the variants are: {', '.join(self.variants)}"
            )
        if self.targeting is not None:
            check_targeting(self.targeting, self.variants)
        return self


class FlagRecord(_Frozen):
    """What the registry keeps under a flag's key, as JSON."""

    definition: FlagDefinition
    overrides: dict[Name, Variant] = Field(default_factory=dict)
    """Tenant to variant."""

    @model_validator(mode="after")
    def _overrides_are_variants(self) -> FlagRecord:
        for tenant, variant in self.overrides.items():
            if variant not in self.definition.variants:
                raise ValueError(f"the override of tenant {tenant!r} is no variant: {variant!r}")
        return self


def check_flag_key(key: str) -> str:
    """Returns `key` unchanged; raises `CallerError(invalid_name)` unless it can name a flag."""
    if key.startswith(VECTOR_PREFIX):
        check_name(key.removeprefix(VECTOR_PREFIX), what=f"vector in flag {key[:80]!r}")
    else:
        check_name(key, what="flag key")
    return key


def _type_of(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float) and math.isfinite(value):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    raise ValueError(f"a variant is a boolean, number, string or object, got {str(value)[:80]}")
