"""A tenant's policy: ordered rules from what a request is to how it is steered.

{"rules": [{"name": "billing", "when": {"intent": "billing", "min_score": 0.6},
            "steer": {"vectors": {"empathy": "medium"}}},
           {"name": "everyone", "steer": false}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from steersman_vectors.card import Name

from .steering import Steering

MAX_RULES = 100


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


OneOf = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1, max_length=100)]
"""A text or a list of texts, of which one must be met."""


class When(BaseModel):
    """A rule's condition: all that it names must hold. Nothing named: always."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    intent: OneOf | None = None
    min_score: float | None = Field(default=None, ge=0.0, le=1.0)
    """Smallest score of the intent; needs `intent`."""
    flag: dict[str, OneOf] = Field(default_factory=dict, max_length=16)
    """Flag -> variants."""
    profile: OneOf | None = None
    """Of the request's model field, `BASE:profile`. None: of requests that name no profile."""
    metadata: dict[str, OneOf] = Field(default_factory=dict, max_length=16)
    """Key -> values of the request's `metadata`."""

    @model_validator(mode="after")
    def _score_has_its_intent(self) -> When:
        if self.min_score is not None and self.intent is None:
            raise ValueError("'min_score' needs 'intent'")
        return self


class Rule(BaseModel):
    """The first rule whose condition holds decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    when: When = When()
    steer: Steering | Literal[False]
    """False: requests that meet the condition run unsteered."""


class Policy(BaseModel):
    """The rules of one tenant, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)

    @model_validator(mode="after")
    def _names_differ(self) -> Policy:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules need names of their own; twice there are: {', '.join(twice)}")
        return self

    @property
    def uses_intent(self) -> bool:
        """Returns whether a rule asks for the intent."""
        return any(rule.when.intent is not None for rule in self.rules)


NO_POLICY = Policy()


def metadata_meets(wanted: Mapping[str, tuple[str, ...]], got: Mapping[str, str]) -> bool:
    """Returns whether each key has one of its values."""
    return all(got.get(key) in values for key, values in wanted.items())
