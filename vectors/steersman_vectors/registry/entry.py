"""What the registry knows: one version of a vector, its retirement, one line of the log."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from ..card import VectorCard


@dataclass(frozen=True, slots=True)
class Retirement:
    """Why a version is refused for new requests."""

    at: datetime
    """In UTC."""
    actor: str
    reason: str

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"retired by {self.actor} on {self.at:%Y-%m-%d %H:%M} UTC{why}"


@dataclass(frozen=True, slots=True)
class VectorEntry:
    """What the registry knows of one immutable version, without its tensors."""

    name: str
    version: int
    """From 1, counted per (fingerprint, name)."""
    digest: str
    """`sha256:<hex>` of the native file: the key of its blob."""
    fingerprint: str
    card: VectorCard
    created_at: datetime
    """In UTC."""
    actor: str
    """Who registered it."""
    retired: Retirement | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Published(VectorEntry):
    """The entry that a publish ended with."""

    created: bool = True
    """False when the newest version already held exactly these bytes: nothing was changed."""

    @classmethod
    def of(cls, entry: VectorEntry, *, created: bool) -> Published:
        """Returns the entry together with whether this publish created it."""
        return cls(**{f.name: getattr(entry, f.name) for f in fields(entry)}, created=created)


@dataclass(frozen=True, slots=True)
class AliasMove:
    """Where an alias points now, and where it did before."""

    name: str
    alias: str
    version: int
    before: int | None
    """None when the alias is new."""

    @property
    def changed(self) -> bool:
        """Returns whether the registry was changed."""
        return self.before != self.version


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change: who did what when, and the subject's value before and after."""

    revision: int
    at: datetime
    """In UTC."""
    kind: str
    """`vector.publish`, `vector.attach`, `alias.set`, `vector.retire`, `blobs.gc`."""
    subject: str
    """Field of what was changed, such as `<fingerprint>/<name>/<version>`."""
    actor: str
    before: str
    """Empty when there was nothing."""
    after: str
