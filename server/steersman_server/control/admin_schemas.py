"""What the admin API answers, for its description; the JSON itself is made by `policy_views`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..flags.definition import FlagDefinition
from ..policies.policy import Rule
from ..policies.profile import Profile
from ..tenants.backoff import BackoffPolicy
from ..tenants.keys import Role
from ..tenants.tenant import Tenant

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""As the views write it, so that it is the same text by command as by HTTP."""


class Answer(BaseModel):
    """Nothing but these fields is answered."""

    model_config = ConfigDict(extra="forbid")


class Done(Answer):
    """What a change did."""

    changed: bool
    """False when all was so already."""
    revision: int | None
    """At which it is in force."""
    warnings: list[str]


class Evidence(Answer):
    """Why a tenant was backed off."""

    since: Moment
    answers: int
    """Judged steered answers that it was decided on."""
    degenerate: int
    """Of them."""
    window_s: float
    max_degenerate_rate: float
    """The limit at that time."""


class BackedOff(Evidence):
    """What a tenant is backed off to."""

    scale: float
    """What every alpha is multiplied by; 0: unsteered."""


class BackoffView(Answer):
    """Where a tenant stands with automatic back-off."""

    tenant: str
    scale: float
    """1: not backed off."""
    policy: BackoffPolicy | None
    """Null: it takes no further step."""
    evidence: Evidence | None


class BackoffList(Answer):
    """Tenants that want back-offs, or are backed off."""

    revision: int
    backoffs: list[BackoffView]


class TenantView(Tenant):
    """A tenant with what belongs to it."""

    name: str
    keys: list[str]
    """Ids of its keys."""
    rules: list[str]
    """Names of its policy's rules."""
    flags: dict[str, str]
    """Its own variants of flags."""
    backed_off: BackedOff | None


class TenantList(Answer):
    """All tenants."""

    revision: int
    tenants: list[TenantView]


class KeyView(Answer):
    """What may be known of a key: neither the key nor its hash."""

    id: str
    prefix: str
    """The start of the key, by which people recognise it."""
    state: Literal["active", "expired", "revoked"]
    tenant: str | None
    role: Role | None
    label: str
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None


class NewKeyView(KeyView):
    """A key that was just made."""

    key: str
    """The key itself, shown this once."""


class KeyList(Answer):
    """Keys, revoked and expired ones too."""

    revision: int
    keys: list[KeyView]


class FlagView(FlagDefinition):
    """A flag as flagd writes it, and the tenants that have a variant of their own."""

    key: str
    built_in: bool
    overrides: dict[str, str]


class FlagList(Answer):
    """All flags."""

    revision: int
    flags: list[FlagView]


class FlagStep(Answer):
    """One step to a flag's variant."""

    what: str
    given: Any
    outcome: Any


class FlagExplanation(Answer):
    """Which variant a request gets, and why."""

    flag: str
    tenant: str
    user: str | None
    variant: str
    value: Any
    reason: str
    steps: list[FlagStep]


class PolicyView(Answer):
    """The rules of one tenant."""

    tenant: str
    rules: list[Rule]


class PolicyList(Answer):
    """All policies."""

    revision: int
    policies: list[PolicyView]


class Checked(Answer):
    """What a dry run found."""

    ok: bool
    problems: list[str]


class ProfileView(Profile):
    """A profile, chosen as `"model": "BASE:name"`."""

    name: str


class ProfileList(Answer):
    """All profiles."""

    revision: int
    profiles: list[ProfileView]


class KillSwitchView(Answer):
    """Whether steering is switched off, and where."""

    on: bool
    registry: str | None
    """Why it is off on all servers of the registry; null when it is not."""
    file: str | None
    """Why it is off on the servers of this data directory; null when it is not."""
    warnings: list[str]
    """Why `registry` is what this server last heard, and not what is there now."""


class KillSwitchSet(Done):
    """What became of a switch."""

    on: bool
    file: bool
    """Whether the file on this machine was set, or removed."""


class Step(Answer):
    """One step of admission."""

    step: str
    input: Any
    outcome: str


class Explanation(Answer):
    """A dry run of admission: either `decision` and `dose_per_layer`, or `refusal`."""

    tenant: str
    revision: int
    steps: list[Step]
    decision: dict[str, Any] | None = None
    dose_per_layer: list[dict[str, Any]] | None = None
    refusal: dict[str, Any] | None = None


class Change(Answer):
    """One change of the registry."""

    revision: int
    at: Moment
    actor: str
    kind: str
    subject: str
    before: Any
    after: Any


class ChangeList(Answer):
    """Changes, newest first."""

    changes: list[Change]


class ConfigurationView(BaseModel):
    """What was in force at a revision."""

    revision: int
    at: Moment | None
    vectors: list[dict[str, Any]]
    aliases: list[dict[str, Any]]
    tenant: dict[str, Any]
    key: dict[str, Any]
    flag: dict[str, Any]
    policy: dict[str, Any]
    profile: dict[str, Any]
    switch: dict[str, Any]
    backoff: dict[str, Any]
