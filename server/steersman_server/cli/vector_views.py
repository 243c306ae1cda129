"""What `steersman vectors` shows to people: tables and lines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

from rich.table import Table

from steersman_vectors.registry.attached import Attached
from steersman_vectors.registry.entry import AliasMove, LogEntry, VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.stale import StaleVector
from steersman_vectors.scale import coefficient

from ..control.audit import redacted
from ..control.operations import Collected
from .output import printable

SHORT_FINGERPRINT = len("sha256:") + 12
MAX_CELL = 48


def choose(
    snapshot: RegistrySnapshot, fingerprints: Iterable[str], *, all_versions: bool
) -> list[VectorEntry]:
    """Returns the entries of these base models: newest versions, or all."""
    wanted = sorted(fingerprints)
    if all_versions:
        return [entry for entry in snapshot.entries() if entry.fingerprint in wanted]
    return [entry for fingerprint in wanted for entry in snapshot.available(fingerprint)]


def list_table(snapshot: RegistrySnapshot, entries: list[VectorEntry]) -> Table:
    """Returns the listing."""
    table = table_of(
        "name", "version", "aliases", "scale", "layers", "presets", "model", "created (UTC)"
    )
    for entry in entries:
        table.add_row(
            entry.name,
            f"{entry.version}" if entry.retired is None else f"{entry.version} (retired)",
            ", ".join(snapshot.aliases_of(entry)) or "-",
            entry.card.scale,
            ranges(entry.card.layers),
            ", ".join(f"{name} {p.alpha:g}" for name, p in entry.card.presets.items()) or "-",
            entry.fingerprint[:SHORT_FINGERPRINT],
            f"{entry.created_at:%Y-%m-%d %H:%M}",
        )
    return table


def show_parts(
    snapshot: RegistrySnapshot, entry: VectorEntry, attached: Attached = MappingProxyType({})
) -> list[Any]:
    """Returns one version for people: facts, norms per layer, presets with evidence, files."""
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(snapshot, entry):
        facts.add_row(label, printable(value))
    parts: list[Any] = [facts, "", _norms(entry)]
    if entry.card.presets:
        parts += ["", _presets(entry)]
    if attached:
        parts += ["", _files(attached)]
    return parts


def move_line(move: AliasMove) -> str:
    """Returns where an alias points now."""
    ref = f"{move.name}@{move.alias}"
    if not move.changed:
        return f"{ref} names version {move.version} already"
    was = "new" if move.before is None else f"was {move.before}"
    return f"{ref} -> {move.version} ({was})"


def log_table(entries: Iterable[LogEntry]) -> Table:
    """Returns changes, one a line."""
    table = table_of("revision", "at (UTC)", "actor", "what", "subject", "before", "after")
    for entry in map(redacted, entries):
        of = entry.subject.split("/")
        subject = f"{of[1]}@{of[2]}" if len(of) == 3 else entry.subject
        table.add_row(
            str(entry.revision),
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            printable(entry.actor),
            entry.kind,
            subject,
            shortened(entry.before),
            shortened(entry.after),
        )
    return table


def garbage_parts(collected: Collected) -> list[Any]:
    """Returns what was removed, or would be."""
    if not collected.found:
        return ["Nothing to remove: every blob belongs to a version that is in use."]
    table = table_of("blob", "what", "KiB", "why")
    for blob in collected.found:
        kib = f"{blob.size / 1024:.1f}"
        table.add_row(blob.digest[:SHORT_FINGERPRINT], blob.kind, kib, blob.reason)
    total = sum(blob.size for blob in collected.found) / 2**20
    done = "Removed" if collected.removed else "Would remove"
    return [table, f"{done} {len(collected.found)} blobs, {total:.2f} MiB."]


def stale_parts(fingerprint: str, model: str, stale: Sequence[StaleVector]) -> list[Any]:
    """Returns what must be made again for a base model and how, and which aliases it lacks.

    model: the new base model, as commands name it.
    """
    if not stale:
        return [f"Nothing is stale: every vector and alias has a version for {fingerprint}."]
    table = table_of("vector", "aliases", "lacking", "made for", "what to do")
    for found in stale:
        table.add_row(
            str(found.entry),
            ", ".join(found.aliases) or "-",
            ", ".join(found.lacking) or "-",
            found.entry.fingerprint[:SHORT_FINGERPRINT],
            printable(_next_step(found, model)),
        )
    return [f"Without a usable version or alias for {fingerprint}:", "", table]


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
    aliases = [f"{a} -> {v[0]}" for a, v in snapshot.aliases.get(key, {}).items()]
    facts = [
        ("vector", str(entry)),
        ("retired", "" if entry.retired is None else str(entry.retired)),
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
    table = table_of("layer", "raw norm", "residual norm", "added norm at alpha 1")
    for layer_idx, norms in sorted(entry.card.layers.items()):
        raw, residual = norms.raw_norm, norms.residual_norm
        added = coefficient(entry.card.scale, 1.0, raw_norm=raw, residual_norm=residual)
        table.add_row(str(layer_idx), number(raw), number(residual), number(added))
    return table


def _files(attached: Attached) -> Table:
    table = table_of("kept beside it", "file", "bytes", "digest")
    for role, file in sorted(attached.items()):
        name, digest = printable(file.name), file.digest[:SHORT_FINGERPRINT]
        table.add_row(role, name, f"{file.size:,}", digest)
    return table


def _presets(entry: VectorEntry) -> Table:
    table = table_of("preset", "alpha", "scope", "schedule", "evidence")
    for name, preset in entry.card.presets.items():
        schedule = "-" if preset.schedule is None else preset.schedule.model_dump_json()
        evidence = json.dumps(preset.evidence) if preset.evidence else "-"
        table.add_row(name, f"{preset.alpha:g}", preset.scope or "-", schedule, evidence)
    return table


def _next_step(stale: StaleVector, model: str) -> str:
    again = stale.rebuild(model) or stale.recipe
    if not stale.made_again:
        return again
    return f"point {', '.join(stale.lacking)} at a version for the new model, else: {again}"


def shortened(text: str) -> str:
    """Returns a value as one cell of a table."""
    return printable(text if len(text) <= MAX_CELL else text[:MAX_CELL] + "...") or "-"


def table_of(*columns: str) -> Table:
    """Returns an empty table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def number(value: float | None) -> str:
    """Returns a figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.4g}"
