"""What `steersman audit` shows to people. Pure: from the JSON that programs get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from .output import printable
from .tenant_views import plain_table

MAX_VALUE = 60
SHORT_FINGERPRINT = len("sha256:") + 12


def changes_table(changes: Sequence[Mapping[str, Any]]) -> Table:
    """Returns changes, one a line: of documents, the fields that differ."""
    table = plain_table("revision", "at (UTC)", "actor", "what", "subject", "change")
    for change in changes:
        table.add_row(
            str(change["revision"]),
            change["at"][:19].replace("T", " "),
            printable(change["actor"]),
            change["kind"],
            printable(_subject(change["subject"])),
            printable(", ".join(_differences(change["before"], change["after"]))) or "-",
        )
    return table


def in_force_parts(found: Mapping[str, Any]) -> list[Any]:
    """Returns a whole configuration: one table for vectors, one for all that operators wrote."""
    since = "" if found["at"] is None else f", {found['at'][:19].replace('T', ' ')} UTC"
    parts: list[Any] = [f"In force at revision {found['revision']}{since}:", ""]
    vectors = plain_table("vector", "model", "digest", "")
    for vector in found["vectors"]:
        vectors.add_row(
            f"{vector['name']}@{vector['version']}",
            vector["fingerprint"][:SHORT_FINGERPRINT],
            vector["digest"][:SHORT_FINGERPRINT],
            "retired" if vector["retired"] else "",
        )
    for alias in found["aliases"]:
        model = alias["fingerprint"][:SHORT_FINGERPRINT]
        vectors.add_row(f"{alias['name']}@{alias['alias']}", model, "", f"-> {alias['version']}")
    documents = plain_table("kind", "name", "what it said")
    for kind in ("switch", "tenant", "key", "flag", "policy", "profile", "backoff"):
        for name, value in found[kind].items():
            documents.add_row(kind, printable(name), printable(json.dumps(value)))
    parts += [vectors if vectors.row_count else "No vectors.", ""]
    parts.append(documents if documents.row_count else "Nothing was configured.")
    return parts


def _differences(before: Any, after: Any) -> Iterator[str]:
    if not isinstance(before, dict) and not isinstance(after, dict):
        yield f"{_short(before)} -> {_short(after)}"
        return
    if before is None:
        yield f"new: {_short(after)}"
    elif after is None:
        yield f"was: {_short(before)}"
    else:
        yield from _changed("", before, after)


def _changed(path: str, before: Any, after: Any) -> Iterator[str]:
    """Yields `path: was -> is` for what differs, as deep as both are objects."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield f"{path}: {_short(before)} -> {_short(after)}"
        return
    for key in {**before, **after}:
        if before.get(key) != after.get(key):
            yield from _changed(f"{path}.{key}".lstrip("."), before.get(key), after.get(key))


def _short(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "..."


def _subject(subject: str) -> str:
    """Returns `empathy@3` for a vector's version or alias, other subjects as they are."""
    of = subject.split("/")
    return f"{of[1]}@{of[2]}" if len(of) == 3 else subject
