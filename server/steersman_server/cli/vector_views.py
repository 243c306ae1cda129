"""What `steersman vectors` shows to people: tables and lines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.table import Table

from steersman_vectors.registry.entry import AliasMove, LogEntry, VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.stale import StaleVector
from steersman_vectors.scale import coefficient

from ..control.audit import redacted
from ..control.operations import Collected, Comparison
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
    table = _table(
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


def show_parts(snapshot: RegistrySnapshot, entry: VectorEntry) -> list[Any]:
    """Returns one version for people: facts, norms per layer, presets with evidence."""
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(snapshot, entry):
        facts.add_row(label, printable(value))
    parts: list[Any] = [facts, "", _norms(entry)]
    if entry.card.presets:
        parts += ["", _presets(entry)]
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
    table = _table("revision", "at (UTC)", "actor", "what", "subject", "before", "after")
    for entry in map(redacted, entries):
        of = entry.subject.split("/")
        subject = f"{of[1]}@{of[2]}" if len(of) == 3 else entry.subject
        table.add_row(
            str(entry.revision),
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            printable(entry.actor),
            entry.kind,
            subject,
            _short(entry.before),
            _short(entry.after),
        )
    return table


def diff_parts(comparison: Comparison) -> list[Any]:
    """Returns the agreement of two versions per layer, and where their cards differ."""
    a, b = comparison.a, comparison.b
    table = _table("layer", "cosine", f"added norm of {a}", f"of {b}")
    for layer in comparison.layers:
        table.add_row(
            str(layer.layer_idx),
            _number(layer.cosine),
            _number(layer.norm_a),
            _number(layer.norm_b),
        )
    facts = [f"{name}: {_short(was)} -> {_short(now)}" for name, was, now in _card_changes(a, b)]
    same = a.digest == b.digest
    lines = ["The two are the same bytes."] if same else facts
    return [table, "", *lines] if lines else [table]


def garbage_parts(collected: Collected) -> list[Any]:
    """Returns what was removed, or would be."""
    if not collected.found:
        return ["Nothing to remove: every blob belongs to a version that is in use."]
    table = _table("blob", "KiB", "why")
    for blob in collected.found:
        table.add_row(blob.digest[:SHORT_FINGERPRINT], f"{blob.size / 1024:.1f}", blob.reason)
    total = sum(blob.size for blob in collected.found) / 2**20
    done = "Removed" if collected.removed else "Would remove"
    return [table, f"{done} {len(collected.found)} blobs, {total:.2f} MiB."]


def stale_parts(fingerprint: str, stale: Sequence[StaleVector]) -> list[Any]:
    """Returns what must be made again for a base model and how, and which aliases it lacks."""
    if not stale:
        return [f"Nothing is stale: every vector and alias has a version for {fingerprint}."]
    table = _table("vector", "aliases", "lacking", "made for", "what to do")
    for found in stale:
        table.add_row(
            str(found.entry),
            ", ".join(found.aliases) or "-",
            ", ".join(found.lacking) or "-",
            found.entry.fingerprint[:SHORT_FINGERPRINT],
            printable(_next_step(found)),
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


def _next_step(stale: StaleVector) -> str:
    if not stale.made_again:
        return stale.recipe
    return f"point {', '.join(stale.lacking)} at a version for the new model, else: {stale.recipe}"


def _card_changes(a: VectorEntry, b: VectorEntry) -> Iterator[tuple[str, str, str]]:
    """Yields (field, in a, in b) for what the two cards say differently."""
    was, now = (entry.card.model_dump(mode="json") for entry in (a, b))
    for field in was:
        if field not in ("layers", "recipe", "quality") and was[field] != now[field]:
            yield field, json.dumps(was[field]), json.dumps(now[field])


def _short(text: str) -> str:
    return printable(text if len(text) <= MAX_CELL else text[:MAX_CELL] + "...") or "-"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
