"""What operators have configured, at one revision of the registry: parsed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from steersman_vectors.registry.documents import DocumentKind, Documents
from steersman_vectors.registry.layout import DOCUMENTS, corrupt

from .flags.definition import FlagRecord
from .flags.evaluate import FlagSet
from .policies.policy import NO_POLICY, Policy
from .policies.profile import Profile
from .tenants.backoff import BackedOff
from .tenants.keys import ApiKey
from .tenants.tenant import Tenant

KILL_SWITCH = "kill"


class Switch(BaseModel):
    """The registry's kill switch, under `switch/kill`, which exists while it is on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = ""


MODELS: Mapping[DocumentKind, type[BaseModel]] = {
    "tenant": Tenant,
    "key": ApiKey,
    "flag": FlagRecord,
    "policy": Policy,
    "profile": Profile,
    "switch": Switch,
    "backoff": BackedOff,
}


@dataclass(frozen=True)
class Configuration:
    """Tenants by name, keys by the sha256 of the key, flags, policies by tenant, profiles."""

    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ApiKey]] = field(default_factory=dict)
    """sha256 -> (id, record)."""
    flags: FlagSet = field(default_factory=lambda: FlagSet.of({}))
    policies: Mapping[str, Policy] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    kill_switch: Switch | None = None
    backoffs: Mapping[str, BackedOff] = field(default_factory=dict)
    """Tenants that are backed off."""
    parsed: Mapping[str, tuple[str, BaseModel]] = field(default_factory=dict, repr=False)
    """Field -> (text, what it says): what did not change is not parsed again."""

    @classmethod
    def of(cls, documents: Documents, before: Configuration | None = None) -> Configuration:
        """Returns what the documents say; raises `OperatorError(registry_corrupt)`.

        before: an earlier configuration, of which everything that is the same is taken over.
        """
        known = {} if before is None else before.parsed
        parsed = {
            name: known[name] if known.get(name, ("",))[0] == text else (text, parse(name, text))
            for name, text in documents.items()
        }
        by_kind: dict[str, dict[str, Any]] = {kind: {} for kind in MODELS}
        for name, (_, value) in parsed.items():
            kind, _, document_id = name.partition("/")
            by_kind[kind][document_id] = value
        keys = cast(dict[str, ApiKey], by_kind["key"])
        return cls(
            tenants=by_kind["tenant"],
            keys={key.sha256: (key_id, key) for key_id, key in keys.items()},
            flags=FlagSet.of(by_kind["flag"]),
            policies=by_kind["policy"],
            profiles=dict(sorted(by_kind["profile"].items())),
            kill_switch=by_kind["switch"].get(KILL_SWITCH),
            backoffs=by_kind["backoff"],
            parsed=parsed,
        )

    def policy_of(self, tenant: str) -> Policy:
        """Returns the tenant's rules; none when it has no policy."""
        return self.policies.get(tenant, NO_POLICY)

    @property
    def has_keys(self) -> bool:
        """Returns whether somebody has made tenants or keys, so that everybody needs one."""
        return bool(self.tenants or self.keys)

    @property
    def has_admin_keys(self) -> bool:
        """Returns whether operators have keys of their own."""
        return any(key.role is not None for _, key in self.keys.values())


def parse(name: str, text: str) -> BaseModel:
    """Returns what a document says; raises `OperatorError(registry_corrupt)`."""
    kind = name.partition("/")[0]
    model = {str(known): model for known, model in MODELS.items()}.get(kind)
    if model is None:
        raise corrupt(f"{DOCUMENTS} field {name!r}", "a kind that this version does not know")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise corrupt(f"{DOCUMENTS} field {name!r}", f"{where}: {first['msg']}") from error
