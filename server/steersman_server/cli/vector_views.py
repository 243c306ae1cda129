"""Registry entries as tables for people and as JSON for programs. Pure over the snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.scale import coefficient

from .output import printable

SHORT_FINGERPRINT = len("sha256:") + 12


def choose(
    snapshot: RegistrySnapshot, fingerprints: Iterable[str], *, all_versions: bool
) -> list[VectorEntry]:
    """Returns the entries of these base models: newest versions, or all."""
    wanted = sorted(fingerprints)
    if all_versions:
        return [entry for entry in snapshot.entries() if entry.fingerprint in wanted]
    return [entry for fingerprint in wanted for entry in snapshot.available(fingerprint)]


def entry_json(entry: VectorEntry) -> dict[str, Any]:
    """Returns what identifies and doses a version, without the whole card."""
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
    }


def list_json(revision: int, entries: list[VectorEntry]) -> dict[str, Any]:
    """Returns the listing for programs."""
    return {"revision": revision, "vectors": [entry_json(entry) for entry in entries]}


def list_table(entries: list[VectorEntry]) -> Table:
    """Returns the listing for people."""
    table = _table("name", "version", "scale", "layers", "presets", "model", "created (UTC)")
    for entry in entries:
        table.add_row(
            entry.name,
            str(entry.version),
            entry.card.scale,
            ranges(entry.card.layers),
            ", ".join(f"{name} {p.alpha:g}" for name, p in entry.card.presets.items()) or "-",
            entry.fingerprint[:SHORT_FINGERPRINT],
            f"{entry.created_at:%Y-%m-%d %H:%M}",
        )
    return table


def show_json(snapshot: RegistrySnapshot, entry: VectorEntry) -> dict[str, Any]:
    """Returns one version with its whole card, and the versions and aliases beside it."""
    key = (entry.fingerprint, entry.name)
    return {
        **entry_json(entry),
        "card": entry.card.model_dump(mode="json"),
        "versions": list(snapshot.versions[key]),
        "aliases": dict(snapshot.aliases.get(key, {})),
    }


def show_parts(snapshot: RegistrySnapshot, entry: VectorEntry) -> list[Any]:
    """Returns one version for people: facts, norms per layer, presets with evidence."""
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(snapshot, entry):
        facts.add_row(label, printable(value))
    parts: list[Any] = [facts, "", _norms(entry)]
    if entry.card.presets:
        parts += ["", _presets(entry)]
    return parts


def ranges(numbers: Iterable[int]) -> str:
    """Returns integers as text with runs shortened: `1-3, 7`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def _facts(snapshot: RegistrySnapshot, entry: VectorEntry) -> list[tuple[str, str]]:
    card, key = entry.card, (entry.fingerprint, entry.name)
    aliases = [f"{a} -> {v}" for a, v in snapshot.aliases.get(key, {}).items()]
    facts = [
        ("vector", str(entry)),
        ("description", card.description),
        ("model", entry.fingerprint),
        ("scale", card.scale),
        ("hidden size", str(card.hidden_size)),
        ("alpha_max", "not measured" if card.alpha_max is None else f"{card.alpha_max:g}"),
        ("method", card.method),
        ("license", card.license),
        ("quality", json.dumps(card.quality) if card.quality else ""),
        ("recipe", json.dumps(card.recipe) if card.recipe else ""),
        ("created", f"{entry.created_at:%Y-%m-%d %H:%M:%S} UTC by {entry.actor}"),
        ("digest", entry.digest),
        ("versions", ranges(snapshot.versions[key])),
        ("aliases", ", ".join(aliases)),
    ]
    return [(label, value) for label, value in facts if value]


def _norms(entry: VectorEntry) -> Table:
    table = _table("layer", "raw norm", "residual norm", "added norm at alpha 1")
    for layer_idx, norms in sorted(entry.card.layers.items()):
        raw, residual = norms.raw_norm, norms.residual_norm
        added = coefficient(entry.card.scale, 1.0, raw_norm=raw, residual_norm=residual)
        table.add_row(str(layer_idx), _number(raw), _number(residual), _number(added))
    return table


def _presets(entry: VectorEntry) -> Table:
    table = _table("preset", "alpha", "scope", "schedule", "evidence")
    for name, preset in entry.card.presets.items():
        schedule = "-" if preset.schedule is None else preset.schedule.model_dump_json()
        evidence = json.dumps(preset.evidence) if preset.evidence else "-"
        table.add_row(name, f"{preset.alpha:g}", preset.scope or "-", schedule, evidence)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
