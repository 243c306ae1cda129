"""What is stored, part by part: each is read as Steersman writes it, or is a `ValueError`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

MAX_VERSION = 2**31 - 1
MAX_REVISION = 2**63 - 1
"""Redis counts no further."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def as_version(text: str) -> int:
    """Returns a version's number."""
    return _number(text, MAX_VERSION, "a version")


def as_revision(text: str) -> int:
    """Returns the number of a change; 0 before the first."""
    return 0 if text == "0" else _number(text, MAX_REVISION, "a revision")


def as_digest(value: object) -> str:
    """Returns `sha256:<hex>`: of a blob, or of a base model."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise _wrong(value, "sha256: and 64 hexadecimal digits")
    return value


def as_text(value: object) -> str:
    """Returns text that can be written as UTF-8 again."""
    if not isinstance(value, str):
        raise _wrong(value, "text")
    value.encode()
    return value


def as_time(value: object) -> datetime:
    """Returns a time with its zone, in UTC."""
    at = datetime.fromisoformat(as_text(value))
    if at.tzinfo is None:
        raise _wrong(value, "a time with its zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise _wrong(value, "a time in UTC") from error


def as_object(value: bytes) -> dict[str, Any]:
    """Returns a JSON object, all of whose text can be written as UTF-8 again."""
    try:
        stored = json.loads(value)
        if b"\\u" in value:
            json.dumps(stored, ensure_ascii=False).encode()
    except RecursionError as error:
        raise _wrong(value, "JSON that is not nested as deep") from error
    if not isinstance(stored, dict):
        raise _wrong(stored, "a JSON object")
    return stored


def _number(text: str, largest: int, what: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > largest:
        raise _wrong(text, f"{what}, from 1 to {largest}")
    return int(text)


def _wrong(got: object, expected: str) -> ValueError:
    return ValueError(f"got {repr(got)[:80]}, expected {expected}")
