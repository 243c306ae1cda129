"""One registered version of a vector."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from ..card import VectorCard


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

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Published(VectorEntry):
    """The entry that a publish ended with."""

    created: bool
    """False when the newest version already held exactly these bytes: nothing was changed."""

    @classmethod
    def of(cls, entry: VectorEntry, *, created: bool) -> Published:
        """Returns the entry together with whether this publish created it."""
        return cls(**{f.name: getattr(entry, f.name) for f in fields(entry)}, created=created)
