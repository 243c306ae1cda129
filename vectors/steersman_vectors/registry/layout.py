"""What the registry keeps in Redis, and under which keys.

    key                          type    content
    steersman:rev                string  revision: an integer that every change increments
    steersman:log                stream  one entry `<rev>-0` per change: kind, subject, actor, at,
                                         before, after; nothing is ever removed from it
    steersman:vectors            hash    `<fingerprint>/<name>/<version>` -> entry (JSON), immutable
    steersman:newest             hash    `<fingerprint>/<name>` -> `<version> <digest>`
    steersman:aliases            hash    `<fingerprint>/<name>/<alias>` -> version
    steersman:blob:<digest>      string  the native file with that sha256

A change, the increment of `rev` and the log entry are one script, hence one atomic step; so is
reading a snapshot (MULTI). A script touches several keys, so Redis Cluster is not supported.
A card is part of the entry as well as of the blob: listing vectors reads no blob.
"""

from __future__ import annotations

import json
from datetime import datetime

from ..card import VectorCard
from ..errors import CallerError, OperatorError
from ..names import check_name
from .entry import VectorEntry

REV = "steersman:rev"
LOG = "steersman:log"
VECTORS = "steersman:vectors"
NEWEST = "steersman:newest"
ALIASES = "steersman:aliases"


def blob_key(digest: str) -> str:
    """Returns the key of the native file with this digest."""
    return f"steersman:blob:{digest}"


def log_id(revision: int) -> str:
    """Returns the id of the log entry that made this revision."""
    return f"{revision}-0"


def name_field(fingerprint: str, name: str) -> str:
    """Returns the field of a vector in `newest`."""
    return f"{fingerprint}/{name}"


def alias_field(fingerprint: str, name: str, alias: str) -> str:
    """Returns the field of an alias in `aliases`."""
    return f"{fingerprint}/{name}/{alias}"


def encode_entry(*, digest: str, card: VectorCard, created_at: datetime, actor: str) -> str:
    """Returns an entry as JSON; its field says the rest (fingerprint, name, version)."""
    return json.dumps(
        {
            "digest": digest,
            "created_at": created_at.isoformat(),
            "actor": actor,
            "card": card.model_dump(mode="json"),
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def decode_entry(field: bytes, value: bytes) -> VectorEntry:
    """Returns the entry stored at `field`; raises `OperatorError(registry_corrupt)`."""
    try:
        fingerprint, name, version = field.decode().split("/")
        stored = json.loads(value)
        return VectorEntry(
            name=check_name(name),
            version=int(version),
            digest=stored["digest"],
            fingerprint=fingerprint,
            card=VectorCard.model_validate(stored["card"]),
            created_at=datetime.fromisoformat(stored["created_at"]),
            actor=stored["actor"],
        )
    except (ValueError, KeyError, TypeError, CallerError) as error:
        raise corrupt(f"{VECTORS} field {field!r}", str(error)) from error


def decode_alias(field: bytes, value: bytes) -> tuple[tuple[str, str, str], int]:
    """Returns ((fingerprint, name, alias), version); raises `OperatorError(registry_corrupt)`."""
    try:
        fingerprint, name, alias = field.decode().split("/")
        return (fingerprint, name, alias), int(value)
    except ValueError as error:
        raise corrupt(f"{ALIASES} field {field!r}", str(error)) from error


def decode_revision(value: bytes | None) -> int:
    """Returns the revision; 0 in an empty registry. Raises `OperatorError(registry_corrupt)`."""
    if value is None:
        return 0
    if not value.isdigit():
        raise corrupt(REV, repr(value[:80]))
    return int(value)


def corrupt(where: str, got: str) -> OperatorError:
    """Returns the error for a registry whose content Steersman did not write like this."""
    return OperatorError(
        f"the registry's content is damaged: {where}: {got}. Expected what Steersman writes; "
        "restore the registry from a backup, or remove that field",
        code="registry_corrupt",
    )
