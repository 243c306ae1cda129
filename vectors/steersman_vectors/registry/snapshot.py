"""The registry at one revision, in memory: every request resolves its vectors here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..errors import CallerError
from ..names import VectorRef
from .entry import VectorEntry

Key = tuple[str, str]
"""(fingerprint, name)."""
MAX_NAMES_IN_MESSAGE = 8


@dataclass(frozen=True)
class RegistrySnapshot:
    """All versions of all vectors, and the aliases, at `revision`; look-ups are O(1)."""

    revision: int
    versions: Mapping[Key, Mapping[int, VectorEntry]]
    """(fingerprint, name) -> version -> entry, versions ascending."""
    aliases: Mapping[Key, Mapping[str, int]]
    """(fingerprint, name) -> alias -> version."""

    @classmethod
    def of(
        cls,
        revision: int,
        entries: Iterable[VectorEntry] = (),
        aliases: Mapping[tuple[str, str, str], int] | None = None,
    ) -> RegistrySnapshot:
        """Returns the snapshot of these entries and `{(fingerprint, name, alias): version}`."""
        versions: dict[Key, dict[int, VectorEntry]] = {}
        for entry in sorted(entries, key=lambda e: (e.fingerprint, e.name, e.version)):
            versions.setdefault((entry.fingerprint, entry.name), {})[entry.version] = entry
        by_key: dict[Key, dict[str, int]] = {}
        for (fingerprint, name, alias), version in sorted((aliases or {}).items()):
            by_key.setdefault((fingerprint, name), {})[alias] = version
        return cls(revision, versions, by_key)

    def find(self, ref: VectorRef, fingerprint: str) -> VectorEntry:
        """Returns the version that `ref` names for this base model; the newest when it names none.

        Raises `CallerError`: `vector_model_mismatch` when the name exists for other base models
        only, else `vector_not_found`, naming what exists.
        """
        key = (fingerprint, ref.name)
        versions = self.versions.get(key)
        if versions is None:
            raise self._absent(ref, fingerprint)
        version = ref.version
        if ref.alias is not None:
            version = self.aliases.get(key, {}).get(ref.alias, 0)
        if version is None:
            return self._newest[key]
        if version not in versions:
            raise self._no_such_version(ref, key)
        return versions[version]

    def available(self, fingerprint: str) -> tuple[VectorEntry, ...]:
        """Returns the newest version of every vector of this base model, sorted by name."""
        return self._available.get(fingerprint, ())

    def entries(self) -> tuple[VectorEntry, ...]:
        """Returns every version of every vector, sorted by fingerprint, name and version."""
        return tuple(entry for versions in self.versions.values() for entry in versions.values())

    def fingerprints_of(self, name: str) -> tuple[str, ...]:
        """Returns the base models that a vector of this name exists for, sorted."""
        return self._fingerprints.get(name, ())

    @cached_property
    def _newest(self) -> dict[Key, VectorEntry]:
        return {key: versions[max(versions)] for key, versions in self.versions.items()}

    @cached_property
    def _available(self) -> dict[str, tuple[VectorEntry, ...]]:
        found: dict[str, tuple[VectorEntry, ...]] = {}
        for (fingerprint, _), entry in self._newest.items():
            found[fingerprint] = (*found.get(fingerprint, ()), entry)
        return found

    @cached_property
    def _fingerprints(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for fingerprint, name in self.versions:
            found[name] = (*found.get(name, ()), fingerprint)
        return found

    def _absent(self, ref: VectorRef, fingerprint: str) -> CallerError:
        others = self.fingerprints_of(ref.name)
        if others:
            return CallerError(
                f"vector {ref.name!r} belongs to another base model: it was made for "
                f"{', '.join(others)}, this is {fingerprint}. Extract or import it for this model",
                code="vector_model_mismatch",
                param="steering.vectors",
            )
        names = [entry.name for entry in self.available(fingerprint)]
        near = difflib.get_close_matches(ref.name, names, n=MAX_NAMES_IN_MESSAGE, cutoff=0.5)
        listed = near + [name for name in names if name not in near]
        return _not_found(f"no vector {ref.name!r}", "vectors", listed)

    def _no_such_version(self, ref: VectorRef, key: Key) -> CallerError:
        newest_first = [f"{ref.name}@{version}" for version in reversed(self.versions[key])]
        aliases = [f"{ref.name}@{alias}" for alias in self.aliases.get(key, {})]
        first, then = (newest_first, aliases) if ref.alias is None else (aliases, newest_first)
        return _not_found(f"no vector {str(ref)!r}", "versions and aliases", first + then)


def _not_found(got: str, what: str, names: list[str]) -> CallerError:
    shown = ", ".join(names[:MAX_NAMES_IN_MESSAGE]) or "none"
    more = len(names) - MAX_NAMES_IN_MESSAGE
    rest = f" and {more} more" if more > 0 else ""
    return CallerError(
        f"{got} for this base model; expected one of the registered {what}: {shown}{rest}. "
        "Register one with `steersman vectors import`",
        code="vector_not_found",
        param="steering.vectors",
    )
