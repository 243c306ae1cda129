"""Names of vectors and references to them: `name`, `name@3`, `name@prod`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import CallerError

NAME_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
"""1 to 64 characters: lower-case letters, digits, `.`, `_`, `-`; a letter or digit at both ends."""


@dataclass(frozen=True, slots=True)
class VectorRef:
    """What a request names: a vector, and either a version, an alias, or neither (= newest)."""

    name: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}@{self.version}"
        return f"{self.name}@{self.alias}" if self.alias is not None else self.name


def check_name(name: str, *, what: str = "vector name") -> str:
    """Returns `name` unchanged; raises `CallerError(invalid_name)` unless the pattern holds."""
    if not NAME_PATTERN.fullmatch(name):
        raise CallerError(
            f"invalid {what}: got {name[:80]!r}, expected 1 to 64 characters of a-z, 0-9, '.', "
            "'_', '-', with a letter or digit at both ends, such as 'empathy' or 'tone.warm-2'",
            code="invalid_name",
        )
    return name


def parse_ref(text: str) -> VectorRef:
    """Returns the reference written as `name`, `name@<version>` or `name@<alias>`.

    Raises `CallerError(invalid_name)` on anything else.
    """
    name, at, rest = text.partition("@")
    check_name(name)
    if not at:
        return VectorRef(name)
    if rest.isascii() and rest.isdigit() and 0 < int(rest[:10]) < 2**31 and len(rest) <= 10:
        return VectorRef(name, version=int(rest))
    if rest.isdigit():
        raise CallerError(
            f"invalid version in {text[:160]!r}: expected an integer from 1 to {2**31 - 1}",
            code="invalid_name",
        )
    return VectorRef(name, alias=check_name(rest, what="alias"))
