"""Documents: small pieces of JSON that operators change beside the vectors.

Tenants, keys, flags, policies, profiles, back-offs. The registry stores them, logs each change with
the text before and after, and carries them to every server; what is in them is the server's
business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import CallerError
from . import layout
from .transaction import Change

DocumentKind = Literal["tenant", "key", "flag", "policy", "profile", "switch", "backoff"]
KINDS: tuple[DocumentKind, ...] = get_args(DocumentKind)
ID_PATTERN = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?")
MAX_BYTES = 256 * 1024
SET, DELETE = ".set", ".delete"

Documents = Mapping[str, str]
"""`<kind>/<id>` -> JSON text."""


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """One document as it shall be; no value removes it."""

    field: str
    value: str | None


Decide = Callable[[Documents], Iterable[DocumentWrite]]
"""From the documents that are there to what is to be written; may run again on newer ones."""


def field_of(kind: DocumentKind, document_id: str) -> str:
    """Returns the field of a document; raises `CallerError(invalid_name)`."""
    if not ID_PATTERN.fullmatch(document_id):
        raise CallerError(
            f"invalid {kind} name: got {document_id[:80]!r}, expected 1 to 128 letters, digits, "
            "'.', '_', '-', with a letter or digit at both ends",
            code="invalid_name",
        )
    return f"{kind}/{document_id}"


def set_document(kind: DocumentKind, document_id: str, value: object) -> DocumentWrite:
    """Returns the write of a document; raises `CallerError`: invalid_name, document_too_large."""
    # In the order it was given: a flag's variants lie in theirs along its buckets.
    text = json.dumps(value, separators=(",", ":"))
    if len(text.encode()) > MAX_BYTES:
        raise CallerError(
            f"the {kind} {document_id!r} takes {len(text.encode())} bytes; at most {MAX_BYTES} "
            "are kept. Make it smaller",
            code="document_too_large",
        )
    return DocumentWrite(field_of(kind, document_id), text)


def delete_document(kind: DocumentKind, document_id: str) -> DocumentWrite:
    """Returns the write that removes a document."""
    return DocumentWrite(field_of(kind, document_id), None)


def of_kind(documents: Documents, kind: DocumentKind) -> dict[str, str]:
    """Returns id -> JSON text of the documents of one kind, sorted by id."""
    prefix = f"{kind}/"
    found = (field for field in documents if field.startswith(prefix))
    return {field.removeprefix(prefix): documents[field] for field in sorted(found)}


def changes_of(before: Documents, writes: Iterable[DocumentWrite]) -> tuple[Change, ...]:
    """Returns the changes that the writes make; what is as it should be already is none."""
    now = dict(before)
    changes = []
    for write in writes:
        was = now.get(write.field)
        if was == write.value:
            continue
        changes.append(_change(write, was or ""))
        if write.value is None:
            del now[write.field]
        else:
            now[write.field] = write.value
    return tuple(changes)


def is_document_change(kind: str) -> bool:
    """Returns whether a log entry of this kind is about a document."""
    return kind.removesuffix(SET).removesuffix(DELETE) in KINDS and kind.endswith((SET, DELETE))


def apply(documents: Documents, writes: Iterable[DocumentWrite]) -> dict[str, str]:
    """Returns the documents after the writes."""
    now = dict(documents)
    for write in writes:
        if write.value is None:
            now.pop(write.field, None)
        else:
            now[write.field] = write.value
    return now


def _change(write: DocumentWrite, was: str) -> Change:
    kind = write.field.partition("/")[0]
    if write.value is None:
        deleted: tuple[str | bytes, ...] = ("HDEL", layout.DOCUMENTS, write.field)
        return Change(f"{kind}{DELETE}", write.field, was, "", (deleted,))
    written: tuple[str | bytes, ...] = ("HSET", layout.DOCUMENTS, write.field, write.value)
    return Change(f"{kind}{SET}", write.field, was, write.value, (written,))
