"""What the registry keeps in Redis, and under which keys.

    key                          type    content
    steersman:id                 string  drawn with the first change: tells this registry's history
                                         from that of another in its place
    steersman:rev                string  revision: an integer that every change increments
    steersman:log                stream  one entry `<rev>-0` per change: kind, subject, actor, at,
                                         before, after; nothing is ever removed from it
    steersman:vectors            hash    `<fingerprint>/<name>/<version>` -> entry (JSON), immutable
    steersman:newest             hash    `<fingerprint>/<name>` -> `<version> <digest>`
    steersman:aliases            hash    `<fingerprint>/<name>/<alias>` -> versions, the one it
                                         names first, then those it named before: `3 2 1`
    steersman:retired            hash    `<fingerprint>/<name>/<version>` -> JSON: at, actor, reason
    steersman:documents          hash    `<kind>/<id>` -> JSON: tenants, keys, flags, policies, ...
    steersman:blob:<digest>      string  the native file with that sha256
    steersman:attached           hash    `<fingerprint>/<name>/<version>` -> JSON: the files beside
                                         a version by role, with digest, name and size
    steersman:data:<digest>      string  such a file: data of a recipe, a calibration, a report

A change, the increment of `rev` and the log entry are one transaction (`transaction.py`); so is
reading a snapshot. Both touch several keys, so Redis Cluster is not supported.
Files beside a version are for those who make vectors: no snapshot and no server's copy has them,
and a registry without them is whole.
A card is part of the entry as well as of the blob: listing vectors reads no blob.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from ..card import VectorCard
from ..errors import CallerError, OperatorError
from ..names import check_name
from .entry import LogEntry, Retirement, VectorEntry
from .stored import as_digest, as_object, as_revision, as_text, as_time, as_version

PREFIX = "steersman:"
ID = "steersman:id"
REV = "steersman:rev"
LOG = "steersman:log"
VECTORS = "steersman:vectors"
NEWEST = "steersman:newest"
ALIASES = "steersman:aliases"
RETIRED = "steersman:retired"
DOCUMENTS = "steersman:documents"
BLOB_PREFIX = "steersman:blob:"
ATTACHED = "steersman:attached"
DATA_PREFIX = "steersman:data:"
MAX_ALIAS_HISTORY = 32


def blob_key(digest: str) -> str:
    """Returns the key of the native file with this digest."""
    return BLOB_PREFIX + digest


def data_key(digest: str) -> str:
    """Returns the key of the file beside a version with this digest."""
    return DATA_PREFIX + digest


def log_id(revision: int) -> str:
    """Returns the id of the log entry that made this revision."""
    return f"{revision}-0"


def name_field(fingerprint: str, name: str) -> str:
    """Returns the field of a vector in `newest`."""
    return f"{fingerprint}/{name}"


def version_field(fingerprint: str, name: str, version: int) -> str:
    """Returns the field of a version in `vectors` and `retired`."""
    return f"{fingerprint}/{name}/{version}"


def alias_field(fingerprint: str, name: str, alias: str) -> str:
    """Returns the field of an alias in `aliases`."""
    return f"{fingerprint}/{name}/{alias}"


def encode_entry(*, digest: str, card: VectorCard, created_at: datetime, actor: str) -> str:
    """Returns an entry as JSON; its field says the rest (fingerprint, name, version)."""
    return _json(
        {
            "digest": digest,
            "created_at": created_at.isoformat(),
            "actor": actor,
            "card": card.model_dump(mode="json"),
        }
    )


def decode_entry(field: bytes, value: bytes) -> VectorEntry:
    """Returns the entry stored at `field`; raises `OperatorError(registry_corrupt)`."""
    try:
        fingerprint, name, version = field.decode().split("/")
        stored = as_object(value)
        return VectorEntry(
            name=check_name(name),
            version=as_version(version),
            digest=as_digest(stored["digest"]),
            fingerprint=as_digest(fingerprint),
            card=VectorCard.model_validate(stored["card"]),
            created_at=as_time(stored["created_at"]),
            actor=as_text(stored["actor"]),
        )
    except (ValueError, KeyError, CallerError) as error:
        raise corrupt(f"{VECTORS} field {field!r}", str(error)) from error


def encode_newest(version: int, digest: str) -> str:
    """Returns a value of `newest`."""
    return f"{version} {digest}"


def decode_newest(field: str, value: bytes | None) -> tuple[int, str]:
    """Returns (version, digest) of the newest version, (0, "") when there is none."""
    if value is None:
        return 0, ""
    try:
        version, digest = value.decode().split(" ")
        return as_version(version), as_digest(digest)
    except ValueError as error:
        raise corrupt(f"{NEWEST} field {field!r}", str(error)) from error


def encode_alias(versions: tuple[int, ...]) -> str:
    """Returns a value of `aliases`."""
    return " ".join(map(str, versions[: MAX_ALIAS_HISTORY + 1]))


def decode_alias(field: bytes, value: bytes) -> tuple[tuple[str, str, str], tuple[int, ...]]:
    """Returns ((fingerprint, name, alias), versions), the one it names first.

    Raises `OperatorError(registry_corrupt)`.
    """
    try:
        fingerprint, name, alias = field.decode().split("/")
        versions = tuple(map(as_version, value.decode().split(" ")))
        return (as_digest(fingerprint), check_name(name), check_name(alias)), versions
    except (ValueError, CallerError) as error:
        raise corrupt(f"{ALIASES} field {field!r}", str(error)) from error


def encode_retirement(retired: Retirement) -> str:
    """Returns a value of `retired`."""
    return _json({"at": retired.at.isoformat(), "actor": retired.actor, "reason": retired.reason})


def decode_retirement(field: bytes, value: bytes) -> tuple[tuple[str, str, int], Retirement]:
    """Returns ((fingerprint, name, version), its retirement); or raises `registry_corrupt`."""
    try:
        fingerprint, name, version = field.decode().split("/")
        stored = as_object(value)
        at, actor = as_time(stored["at"]), as_text(stored["actor"])
        retired = Retirement(at=at, actor=actor, reason=as_text(stored["reason"]))
        return (as_digest(fingerprint), check_name(name), as_version(version)), retired
    except (ValueError, KeyError, CallerError) as error:
        raise corrupt(f"{RETIRED} field {field!r}", str(error)) from error


def decode_log(entry_id: bytes, fields: Mapping[bytes, bytes]) -> LogEntry:
    """Returns an entry of the log; raises `OperatorError(registry_corrupt)`."""
    try:
        text = {key.decode(): value.decode() for key, value in fields.items()}
        at, revision = as_time(text.pop("at")), as_revision(entry_id.decode().split("-")[0])
        return LogEntry(revision=revision, at=at, **text)
    except (ValueError, KeyError, TypeError) as error:
        raise corrupt(f"{LOG} entry {entry_id!r}", str(error)) from error


def decode_documents(stored: Mapping[bytes, bytes]) -> dict[str, str]:
    """Returns the documents as text; raises `OperatorError(registry_corrupt)`."""
    try:
        return {field.decode(): value.decode() for field, value in stored.items()}
    except UnicodeDecodeError as error:
        raise corrupt(DOCUMENTS, str(error)) from error


def decode_revision(value: bytes | None) -> int:
    """Returns the revision; 0 in an empty registry. Raises `OperatorError(registry_corrupt)`."""
    if value is None:
        return 0
    try:
        return as_revision(value.decode())
    except ValueError as error:
        raise corrupt(REV, str(error)) from error


def corrupt(where: str, got: str) -> OperatorError:
    """Returns the error for a registry whose content Steersman did not write like this."""
    told = " ".join(got.split())
    return OperatorError(
        f"the registry's content is damaged: {where[:200]}: {told[:300]}. Expected what "
        "Steersman writes; restore the registry from a backup, or remove that field",
        code="registry_corrupt",
    )


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
