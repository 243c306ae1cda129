"""What an upgrade of the base model leaves behind. Pure over the snapshot."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..card import VectorCard
from ..recipe.recipe import is_recipe
from .entry import VectorEntry
from .snapshot import Key, RegistrySnapshot


@dataclass(frozen=True, slots=True)
class StaleVector:
    """A version that the new base model has nothing usable for, and how to make it again."""

    entry: VectorEntry
    """For another base model: its newest usable version, or one that an alias names."""
    aliases: tuple[str, ...]
    """That name this version."""
    lacking: tuple[str, ...]
    """Of those, the ones that name no usable version for the new base model."""
    made_again: bool
    """Whether the new base model has a usable version of the name, so that only aliases lack."""
    recipe: str
    """The recorded command, or what else is known of where it came from."""
    ambiguous: bool
    """Whether several other base models have a vector of the name."""

    def rebuild(self, model: str) -> str | None:
        """Returns the command that makes it again; None without a recipe that can be run.

        model: the new base model, as commands name it.
        """
        if not is_recipe(self.entry.card.recipe):
            return None
        words = ["steersman", "vectors", "rebuild", str(self.entry), "--model", model]
        if self.ambiguous:
            words += ["--from", self.entry.fingerprint]
        return shlex.join([*words, "--push"])


def stale_vectors(snapshot: RegistrySnapshot, fingerprint: str) -> tuple[StaleVector, ...]:
    """Returns what requests may name for other base models and not for this one.

    That is the newest usable version of a name that this base model has no usable version of, and
    every usable version named by an alias that names none here. By name, newest first.
    """
    bases = Counter(name for of, name in snapshot.versions if of != fingerprint)
    have = {entry.name for entry in snapshot.usable(fingerprint)}
    found = [
        stale
        for key in snapshot.versions
        if key[0] != fingerprint
        for stale in _left_behind(
            snapshot, key, fingerprint, made_again=key[1] in have, ambiguous=bases[key[1]] > 1
        )
    ]
    newest_first = sorted(found, key=lambda stale: stale.entry.created_at, reverse=True)
    return tuple(sorted(newest_first, key=lambda stale: stale.entry.name))


def recipe_of(card: VectorCard) -> str:
    """Returns how to make the vector again, as its card tells it."""
    command = card.recipe.get("command")
    if isinstance(command, str) and command:
        return command
    kind, source = card.recipe.get("format"), card.recipe.get("sha256")
    if isinstance(kind, str) and isinstance(source, str):
        return f"import the {kind} file made for the new model (this one came from {source})"
    return card.method or "no recipe on its card"


def _left_behind(
    snapshot: RegistrySnapshot, key: Key, fingerprint: str, *, made_again: bool, ambiguous: bool
) -> Iterator[StaleVector]:
    """Yields the versions of one vector of another base model that are stale."""
    there = _usable_aliases(snapshot, (fingerprint, key[1]))
    usable = [entry for entry in snapshot.versions[key].values() if entry.retired is None]
    for entry in usable:
        aliases = snapshot.aliases_of(entry)
        lacking = tuple(alias for alias in aliases if alias not in there)
        if lacking or (entry is usable[-1] and not made_again):
            how = recipe_of(entry.card)
            yield StaleVector(entry, aliases, lacking, made_again, how, ambiguous)


def _usable_aliases(snapshot: RegistrySnapshot, key: Key) -> frozenset[str]:
    """Returns the aliases that name a usable version."""
    versions = snapshot.versions.get(key, {})
    return frozenset(
        alias
        for alias, (version, *_) in snapshot.aliases.get(key, {}).items()
        if version in versions and versions[version].retired is None
    )
