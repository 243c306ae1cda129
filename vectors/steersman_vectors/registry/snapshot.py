"""The registry at one revision, in memory: every request resolves its vectors here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..errors import CallerError
from ..names import VectorRef
from .documents import Documents, DocumentWrite, apply
from .entry import Retirement, VectorEntry

Key = tuple[str, str]
"""(fingerprint, name)."""
MAX_NAMES_IN_MESSAGE = 8


@dataclass(frozen=True, slots=True)
class History:
    """Which registry a snapshot is of, and where in its log.

    Another Redis has another, and so has an older backup of the same, whatever came after it.
    """

    registry_id: str | None
    """None while the registry was never changed."""
    changed_at: str
    """When the change that made the revision was made, as the log has it."""


NO_HISTORY = History(None, "")


@dataclass(frozen=True)
class RegistrySnapshot:
    """All versions of all vectors, and the aliases, at `revision`; look-ups are O(1)."""

    revision: int
    versions: Mapping[Key, Mapping[int, VectorEntry]]
    """(fingerprint, name) -> version -> entry, versions ascending."""
    aliases: Mapping[Key, Mapping[str, tuple[int, ...]]]
    """(fingerprint, name) -> alias -> versions: the one it names first, then those before."""
    history: History = NO_HISTORY
    documents: Documents = field(default_factory=dict)
    """Tenants, keys, flags, policies, profiles: `<kind>/<id>` -> JSON text."""

    @classmethod
    def of(
        cls,
        revision: int,
        entries: Iterable[VectorEntry] = (),
        aliases: Mapping[tuple[str, str, str], tuple[int, ...]] | None = None,
        retired: Mapping[tuple[str, str, int], Retirement] | None = None,
        history: History = NO_HISTORY,
        documents: Documents | None = None,
    ) -> RegistrySnapshot:
        """Returns the snapshot of these entries.

        aliases: `{(fingerprint, name, alias): versions}`. retired: `{(fingerprint, name, version):
        retirement}`.
        """
        empty = cls(revision, {}, {}, history, documents or {})
        return empty.updated(revision, entries, aliases or {}, retired or {}, history)

    def updated(
        self,
        revision: int,
        entries: Iterable[VectorEntry],
        aliases: Mapping[tuple[str, str, str], tuple[int, ...]],
        retired: Mapping[tuple[str, str, int], Retirement],
        history: History,
        writes: Sequence[DocumentWrite] = (),
    ) -> RegistrySnapshot:
        """Returns the snapshot at a later revision: these came or changed since."""
        versions: dict[Key, dict[int, VectorEntry]] = {}  # of the vectors that changed
        for entry in entries:
            key = (entry.fingerprint, entry.name)
            versions.setdefault(key, dict(self.versions.get(key, {})))[entry.version] = entry
        for (fingerprint, name, version), retirement in retired.items():
            key = (fingerprint, name)
            of_key = versions.setdefault(key, dict(self.versions.get(key, {})))
            if version in of_key:
                of_key[version] = replace(of_key[version], retired=retirement)
        by_key = dict(self.aliases)
        for (fingerprint, name, alias), named in aliases.items():
            key = (fingerprint, name)
            by_key[key] = dict(sorted({**by_key.get(key, {}), alias: named}.items()))
        changed = {key: dict(sorted(of_key.items())) for key, of_key in versions.items() if of_key}
        merged = {**self.versions, **changed}
        if len(merged) > len(self.versions):
            merged = dict(sorted(merged.items()))
        documents = apply(self.documents, writes) if writes else self.documents
        return RegistrySnapshot(revision, merged, by_key, history, documents)

    def find(self, ref: VectorRef, fingerprint: str) -> VectorEntry:
        """Returns the version that `ref` names for this base model.

        The newest that is not retired when it names none. Raises `CallerError`:
        `vector_model_mismatch` when the name exists for other base models only, `vector_retired`,
        else `vector_not_found`, naming what exists.
        """
        entry = self.find_any(ref, fingerprint)
        if entry.retired is not None:
            raise self._retired(ref, entry)
        return entry

    def find_any(self, ref: VectorRef, fingerprint: str) -> VectorEntry:
        """As `find`, but a retired version is found too."""
        key = (fingerprint, ref.name)
        versions = self.versions.get(key)
        if versions is None:
            raise self._absent(ref, fingerprint)
        version = ref.version
        if ref.alias is not None:
            version = self.aliases.get(key, {}).get(ref.alias, (0,))[0]
        if version is None:
            return self._newest.get(key, versions[max(versions)])
        if version not in versions:
            raise self._no_such_version(ref, key)
        return versions[version]

    def available(self, fingerprint: str) -> tuple[VectorEntry, ...]:
        """Returns the newest usable version of every vector of this base model, sorted by name."""
        return self._available.get(fingerprint, ())

    def usable(self, fingerprint: str) -> tuple[VectorEntry, ...]:
        """Returns every version of this base model that requests may name."""
        return tuple(
            entry
            for (of, _), versions in self.versions.items()
            for entry in versions.values()
            if of == fingerprint and entry.retired is None
        )

    def entries(self) -> tuple[VectorEntry, ...]:
        """Returns every version of every vector, sorted by fingerprint, name and version."""
        return tuple(entry for versions in self.versions.values() for entry in versions.values())

    def fingerprints_of(self, name: str) -> tuple[str, ...]:
        """Returns the base models that a vector of this name exists for, sorted."""
        return self._fingerprints.get(name, ())

    def aliases_of(self, entry: VectorEntry) -> tuple[str, ...]:
        """Returns the aliases that name this version, sorted."""
        named = self.aliases.get((entry.fingerprint, entry.name), {})
        return tuple(
            sorted(alias for alias, versions in named.items() if versions[0] == entry.version)
        )

    @cached_property
    def _newest(self) -> dict[Key, VectorEntry]:
        usable = {
            key: [version for version, entry in versions.items() if entry.retired is None]
            for key, versions in self.versions.items()
        }
        return {key: self.versions[key][max(found)] for key, found in usable.items() if found}

    @cached_property
    def _available(self) -> dict[str, tuple[VectorEntry, ...]]:
        found: dict[str, list[VectorEntry]] = {}
        for (fingerprint, _), entry in self._newest.items():
            found.setdefault(fingerprint, []).append(entry)
        return {fingerprint: tuple(entries) for fingerprint, entries in found.items()}

    @cached_property
    def _fingerprints(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for fingerprint, name in self.versions:
            found.setdefault(name, []).append(fingerprint)
        return {name: tuple(fingerprints) for name, fingerprints in found.items()}

    def _absent(self, ref: VectorRef, fingerprint: str) -> CallerError:
        others = self.fingerprints_of(ref.name)
        if others:
            return CallerError(
                f"vector {ref.name!r} belongs to another base model: it was made for "
                f"{', '.join(others)}, this is {fingerprint}. Extract or import it for this model; "
                "`steersman vectors stale` lists what an upgrade left behind",
                code="vector_model_mismatch",
                param="steering.vectors",
            )
        names = [entry.name for entry in self.available(fingerprint)]
        near = difflib.get_close_matches(ref.name, names, n=MAX_NAMES_IN_MESSAGE, cutoff=0.5)
        listed = near + [name for name in names if name not in near]
        return _not_found(f"no vector {ref.name!r}", "vectors", listed)

    def _no_such_version(self, ref: VectorRef, key: Key) -> CallerError:
        usable = [v for v, entry in self.versions[key].items() if entry.retired is None]
        newest_first = [f"{ref.name}@{version}" for version in reversed(usable)]
        aliases = [f"{ref.name}@{alias}" for alias in self.aliases.get(key, {})]
        first, then = (newest_first, aliases) if ref.alias is None else (aliases, newest_first)
        return _not_found(f"no vector {str(ref)!r}", "versions and aliases", first + then)

    def _retired(self, ref: VectorRef, entry: VectorEntry) -> CallerError:
        newest = self._newest.get((entry.fingerprint, entry.name))
        instead = f"; use {newest}" if newest is not None else ", and so are all other versions"
        which = f"{entry}" if str(ref) == str(entry) else f"{ref}, which is {entry},"
        return CallerError(
            f"vector {which} was {entry.retired}{instead}",
            code="vector_retired",
            param="steering.vectors",
        )


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
