"""What operations answer as JSON: the same from `--json` as from the admin API. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from steersman_vectors.compare import LayerComparison
from steersman_vectors.compare_cards import CardComparison
from steersman_vectors.formats.reader import VectorFile
from steersman_vectors.registry.attached import Attached
from steersman_vectors.registry.entry import LogEntry, VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.stale import StaleVector
from steersman_vectors.registry.upkeep import Problem

from .audit import redacted
from .operations import Collected, Comparison, Moved, Registered, Retired, Shown


def entry_json(entry: VectorEntry) -> dict[str, Any]:
    """Returns what identifies and doses a version, without the whole card."""
    retired = entry.retired
    return {
        "name": entry.name,
        "version": entry.version,
        "digest": entry.digest,
        "fingerprint": entry.fingerprint,
        "scale": entry.card.scale,
        "hidden_size": entry.card.hidden_size,
        "layers": sorted(entry.card.layers),
        "presets": {name: preset.alpha for name, preset in entry.card.presets.items()},
        "alpha_max": entry.card.alpha_max,
        "created_at": entry.created_at.isoformat(),
        "actor": entry.actor,
        "retired": None
        if retired is None
        else {"at": retired.at.isoformat(), "actor": retired.actor, "reason": retired.reason},
    }


def retired_json(retired: Retired) -> dict[str, Any]:
    """Returns the version that is refused from now on, and what needed it."""
    return {**entry_json(retired.entry), "warnings": list(retired.warnings)}


def registered_json(registered: Registered) -> dict[str, Any]:
    """Returns where a vector ended up, and what that breaks."""
    return {
        **entry_json(registered.entry),
        "created": registered.entry.created,
        "warnings": list(registered.warnings),
    }


def imported_json(registered: Registered, read: VectorFile) -> dict[str, Any]:
    """Returns where an imported file ended up, and how it was read."""
    return {
        **registered_json(registered),
        "format": read.file_format,
        "layer_rule": read.layer_rule,
        "notes": list(read.notes),
    }


def list_json(snapshot: RegistrySnapshot, entries: Iterable[VectorEntry]) -> dict[str, Any]:
    """Returns the listing."""
    return {
        "revision": snapshot.revision,
        "vectors": [
            {**entry_json(entry), "aliases": list(snapshot.aliases_of(entry))} for entry in entries
        ],
    }


def show_json(shown: Shown) -> dict[str, Any]:
    """Returns one version with its whole card, the versions, aliases and files beside it.

    The recipe on the card names all that is needed to make the vector again; `data` are those of
    them that the registry keeps, with calibration and report.
    """
    snapshot, entry = shown.snapshot, shown.entry
    key = (entry.fingerprint, entry.name)
    return {
        **entry_json(entry),
        "card": entry.card.model_dump(mode="json"),
        "versions": list(snapshot.versions[key]),
        "aliases": {alias: named[0] for alias, named in snapshot.aliases.get(key, {}).items()},
        "data": attached_json(shown.attached),
    }


def attached_json(attached: Attached) -> dict[str, Any]:
    """Returns the files beside a version, by role."""
    return {role: asdict(file) for role, file in sorted(attached.items())}


def move_json(moved: Moved) -> dict[str, Any]:
    """Returns where an alias points now, where it did, and what that breaks."""
    move = moved.move
    return {**asdict(move), "changed": move.changed, "warnings": list(moved.warnings)}


def log_json(entries: Iterable[LogEntry]) -> dict[str, Any]:
    """Returns changes, newest first, without hashes of keys."""
    shown = map(redacted, entries)
    return {"log": [{**asdict(entry), "at": entry.at.isoformat()} for entry in shown]}


def diff_json(comparison: Comparison) -> dict[str, Any]:
    """Returns two versions and their agreement per layer."""
    return {
        "a": entry_json(comparison.a),
        "b": entry_json(comparison.b),
        **compared_json(comparison.layers, comparison.moved),
        "notes": list(comparison.notes),
    }


def compared_json(layers: Iterable[LayerComparison], moved: CardComparison) -> dict[str, Any]:
    """Returns how far two vectors agree per layer, and what moved on their cards."""
    return {
        "layers": [asdict(layer) for layer in layers],
        "no_cosine": moved.no_cosine,
        "metrics": [asdict(move) for move in moved.metrics],
        "presets": [
            {
                "name": preset.name,
                "alpha_was": preset.alpha_was,
                "alpha_now": preset.alpha_now,
                "measures": [
                    {
                        "measure": move.measure,
                        "was": move.was.model_dump(),
                        "now": move.now.model_dump(),
                        "worse": move.worse,
                    }
                    for move in preset.measures
                ],
            }
            for preset in moved.presets
        ],
        "alpha_max": {"was": moved.alpha_max_was, "now": moved.alpha_max_now},
        "worse": list(moved.worse),
    }


def collected_json(collected: Collected) -> dict[str, Any]:
    """Returns what was removed, or would be."""
    return {
        "removed": collected.removed,
        "blobs": [asdict(blob) for blob in collected.found],
        "bytes": sum(blob.size for blob in collected.found),
    }


def verify_json(snapshot: RegistrySnapshot, problems: Iterable[Problem]) -> dict[str, Any]:
    """Returns what is wrong with the registry."""
    found = [asdict(problem) for problem in problems]
    versions = len(snapshot.entries())
    return {"ok": not found, "versions": versions, "problems": found}


def stale_json(fingerprint: str, model: str, stale: Iterable[StaleVector]) -> dict[str, Any]:
    """Returns what must be made again for a base model, and which aliases it lacks.

    model: the new base model, as commands name it.
    """
    return {
        "fingerprint": fingerprint,
        "stale": [
            {
                **entry_json(found.entry),
                "aliases": list(found.aliases),
                "aliases_lacking": list(found.lacking),
                "made_again": found.made_again,
                "recipe": found.recipe,
                "rebuild": found.rebuild(model),
            }
            for found in stale
        ],
    }
