"""What an upgrade of the base model leaves behind. Pure over the snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from ..card import VectorCard
from .entry import VectorEntry
from .snapshot import RegistrySnapshot


@dataclass(frozen=True, slots=True)
class StaleVector:
    """A vector that the new base model has no version of, and how to make one."""

    entry: VectorEntry
    """The newest usable version for another base model."""
    aliases: tuple[str, ...]
    recipe: str
    """The recorded command, or what else is known of where it came from."""


def stale_vectors(snapshot: RegistrySnapshot, fingerprint: str) -> tuple[StaleVector, ...]:
    """Returns the vectors that exist for other base models only, by name, newest first."""
    have = {name for of, name in snapshot.versions if of == fingerprint}
    others = sorted({of for of, _ in snapshot.versions if of != fingerprint})
    entries = [entry for of in others for entry in snapshot.available(of) if entry.name not in have]
    newest_first = sorted(entries, key=lambda entry: entry.created_at, reverse=True)
    return tuple(
        StaleVector(entry, snapshot.aliases_of(entry), recipe_of(entry.card))
        for entry in sorted(newest_first, key=lambda entry: entry.name)
    )


def recipe_of(card: VectorCard) -> str:
    """Returns how to make the vector again, as its card tells it."""
    command = card.recipe.get("command")
    if isinstance(command, str) and command:
        return command
    kind, source = card.recipe.get("format"), card.recipe.get("sha256")
    if isinstance(kind, str) and isinstance(source, str):
        return f"import the {kind} file made for the new model (this one came from {source})"
    return card.method or "no recipe on its card"
