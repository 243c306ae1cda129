"""The audit: every change that was ever made, and what was in force at any revision.

It is the registry's own log, which only grows: who, when, what was there before and after. What it
says of keys is what it is allowed to know: never a hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from steersman_vectors.errors import CallerError
from steersman_vectors.registry import documents, layout
from steersman_vectors.registry.entry import LogEntry
from steersman_vectors.registry.reader import document_writes
from steersman_vectors.registry.store import RegistryStore

KINDS = (*documents.KINDS, "vector", "alias", "blobs")
"""Of changes, as the log names them before the dot."""
SECRET_FIELDS = frozenset({"sha256"})


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which changes to show; what is not given is not asked."""

    kind: str | None = None
    """`flag`, `tenant.set`, ...: a kind, or its part before the dot."""
    subject: str | None = None
    """Part of the subject, such as a tenant's name."""
    actor: str | None = None
    """Part of the actor."""
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, entry: LogEntry) -> bool:
        """Returns whether the change is shown."""
        return (
            (self.kind is None or self.kind in (entry.kind, entry.kind.partition(".")[0]))
            and (self.subject is None or self.subject in entry.subject)
            and (self.actor is None or self.actor in entry.actor)
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
        )


async def changes(
    store: RegistryStore, wanted: AuditFilter, *, limit: int | None
) -> list[LogEntry]:
    """Returns the newest changes that the filter takes, newest first; limit None: all."""
    found: list[LogEntry] = []
    async for entry in store.log_backwards():
        if wanted.since is not None and entry.at < wanted.since:
            break
        if wanted.takes(entry):
            found.append(entry)
        if len(found) == limit:
            break
    return found


async def in_force_at(store: RegistryStore, revision: int) -> dict[str, Any]:
    """Returns the steering configuration at a past revision, as JSON.

    Raises `CallerError(revision_not_found)`.
    """
    newest = await store.revision()
    if not 0 <= revision <= newest:
        raise CallerError(
            f"no revision {revision}; the registry has 0 to {newest}", code="revision_not_found"
        )
    log = [entry async for entry in store.log_backwards() if entry.revision <= revision]
    log.reverse()
    configured = documents.apply({}, document_writes(log))
    vectors = {e.subject: e.after for e in log if e.kind == "vector.publish"}
    aliases = {e.subject: e.after for e in log if e.kind == "alias.set"}
    retired = {e.subject for e in log if e.kind == "vector.retire"}
    return {
        "revision": revision,
        "at": log[-1].at.isoformat() if log else None,
        "vectors": [
            {
                **_version(subject),
                "digest": layout.decode_newest(subject, after.encode())[1],
                "retired": subject in retired,
            }
            for subject, after in sorted(vectors.items())
        ],
        "aliases": [
            {
                "fingerprint": key[0], "name": key[1], "alias": key[2], "version": versions[0],
            }
            for key, versions in (
                layout.decode_alias(s.encode(), a.encode()) for s, a in sorted(aliases.items())
            )
        ],
        **_by_kind(configured),
    }  # fmt: skip


def entry_json(entry: LogEntry) -> dict[str, Any]:
    """Returns a change for programs: documents as JSON, without hashes of keys."""
    return {
        "revision": entry.revision,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "kind": entry.kind,
        "subject": entry.subject,
        "before": readable(entry.before),
        "after": readable(entry.after),
    }


def readable(text: str) -> Any:
    """Returns a value of the log as JSON if it is an object, else as it is; nothing secret."""
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if k not in SECRET_FIELDS}
    return text


def redacted(entry: LogEntry) -> LogEntry:
    """Returns the change with texts as the log has them, but for what is secret."""

    def text(value: str) -> str:
        read = readable(value)
        return json.dumps(read) if isinstance(read, dict) else value

    return replace(entry, before=text(entry.before), after=text(entry.after))


def _version(subject: str) -> dict[str, Any]:
    fingerprint, name, version = subject.split("/")
    return {"fingerprint": fingerprint, "name": name, "version": int(version)}


def _by_kind(configured: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {kind: {} for kind in documents.KINDS}
    for field, text in sorted(configured.items()):
        kind, _, document_id = field.partition("/")
        found.setdefault(kind, {})[document_id] = readable(text)
    return found


def as_json_lines(entries: Iterable[LogEntry]) -> str:
    """Returns one line of JSON per change."""
    return "".join(json.dumps(entry_json(entry)) + "\n" for entry in entries)
