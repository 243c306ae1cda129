"""Steering as operators write it: in a tenant's default, a profile or a rule of a policy."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from steersman_vectors.card import Scope
from steersman_vectors.schedule import Schedule

from ..admission.request import alpha_or_preset

MAX_VECTORS = 32


class FlagDial(BaseModel):
    """`{"flag": KEY}`: the flag's variant gives the alpha or the preset; 0 adds nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flag: str = Field(min_length=1, max_length=128)


def _dial(value: object) -> object:
    return value if isinstance(value, dict | FlagDial) else alpha_or_preset(value)


Dial = Annotated[float | str | FlagDial, BeforeValidator(_dial)]


class Steering(BaseModel):
    """`{"vectors": {name[@version|@alias]: alpha | preset | {"flag": KEY}}, "scope", "schedule"}`.

    Or `{"flag": KEY}`: the variant's value is such an object, or `{}` for no steering.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    vectors: dict[str, Dial] = Field(default_factory=dict, max_length=MAX_VECTORS)
    scope: Scope | None = None
    schedule: Schedule | None = None
    flag: str | None = Field(default=None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _says_what(self) -> Steering:
        if bool(self.vectors) == (self.flag is not None):
            raise ValueError("give 'vectors' (at least one) or 'flag', and not both")
        if self.flag is not None and (self.scope is not None or self.schedule is not None):
            raise ValueError("with 'flag', scope and schedule belong into the variants")
        return self

    @property
    def flags(self) -> tuple[str, ...]:
        """Returns the flags that it asks."""
        dials = (dial.flag for dial in self.vectors.values() if isinstance(dial, FlagDial))
        return tuple(dict.fromkeys([*dials, *([self.flag] if self.flag is not None else [])]))
