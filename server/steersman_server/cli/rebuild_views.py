"""What people and programs are shown of vectors that were made again. Pure."""

from __future__ import annotations

from typing import Any

from ..control import json_views
from .diff_views import compared_parts
from .output import printable
from .rebuild_run import Rebuilt
from .vector_views import SHORT_FINGERPRINT


def as_json(rebuilt: Rebuilt) -> dict[str, Any]:
    """Returns one outcome for programs."""
    card, registered = rebuilt.vector.card, rebuilt.registered
    return {
        "old": json_views.entry_json(rebuilt.old.entry),
        "new": {
            "name": card.name,
            "fingerprint": card.fingerprint,
            "digest": rebuilt.digest,
            "layers": sorted(card.layers),
            "presets": {name: preset.alpha for name, preset in card.presets.items()},
            "alpha_max": card.alpha_max,
        },
        "file": None if rebuilt.out is None else str(rebuilt.out),
        "report": None if rebuilt.report is None else str(rebuilt.report),
        "registered": None if registered is None else json_views.registered_json(registered),
        "diff": json_views.compared_json(rebuilt.layers, rebuilt.moved),
        "notes": list(rebuilt.notes),
    }


def parts(rebuilt: Rebuilt, alias: str | None) -> list[Any]:
    """Returns one outcome for people: where the vector is, and what moved."""
    old, card = rebuilt.old.entry, rebuilt.vector.card
    was, now = (str(f)[:SHORT_FINGERPRINT] for f in (old.fingerprint, card.fingerprint))
    lines = [f"{old}: made again, for {now} (was for {was})", f"  digest  {rebuilt.digest}"]
    new = "new"
    if rebuilt.out is not None:
        lines.append(f"  file    {printable(str(rebuilt.out))}")
    if rebuilt.report is not None:
        lines.append(f"  report  {printable(str(rebuilt.report))}")
    if rebuilt.registered is not None:
        entry = rebuilt.registered.entry
        named = "" if alias is None else f", {entry.name}@{alias} names it"
        lines.append(f"  pushed  {entry} for {now}{named}")
        new = f"{entry} (new)"
    lines += [f"  note    {printable(note)}" for note in rebuilt.notes]
    compared = compared_parts(f"{old} (old)", new, rebuilt.layers, rebuilt.moved)
    return ["\n".join(lines), "", *compared]
