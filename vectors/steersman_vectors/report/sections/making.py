"""How the vector was made, and by what it is known."""

from __future__ import annotations

import json

from ...schedule import AnySchedule
from .. import number_text
from ..contents import Contents
from ..markup import Markup, el
from .prose import section


def making(contents: Contents) -> Markup:
    """Returns the recipe and the hashes."""
    card = contents.card
    command = card.recipe.get("command")
    rest = {name: value for name, value in card.recipe.items() if name != "command"}
    shown = el("pre", command) if isinstance(command, str) else None
    return section(
        "How it was made",
        shown,
        el("dl", *_rows(made(contents)), cls="made"),
        el(
            "details",
            el("summary", "The whole recipe"),
            el("pre", json.dumps(rest, indent=2, sort_keys=True, ensure_ascii=False)),
        )
        if rest
        else None,
    )


def made(contents: Contents) -> dict[str, str]:
    """Returns what is known of the making: for the page and the card."""
    card, record = contents.card, contents.calibration
    found = {
        "method": card.method,
        "vector": contents.digest,
        "base model": card.fingerprint or (record.fingerprint if record else ""),
        "data": card.data_hash,
        "chat template": card.chat_template_hash,
        "hidden size": str(card.hidden_size),
        "directions at": number_text.layers_named(tuple(card.layers)),
        "licence": card.license,
    }
    if record is not None:
        prompts = ", ".join(f"{count:,} {split}" for split, count in sorted(record.prompts.items()))
        found |= {
            "calibrated as": record.vector_digest,
            "prompts": prompts,
            "asked with": f"scope {record.scope}, schedule {_schedule(record.schedule)}, "
            f"temperature {record.temperature:g}, seed {record.seed}",
            "took": f"{record.seconds:,.0f} s on {record.machine}",
        }
    return {name: value for name, value in found.items() if value}


def _schedule(schedule: AnySchedule) -> str:
    fields = schedule.model_dump()
    kind = str(fields.pop("kind", ""))
    rest = ", ".join(f"{name} {value:g}" for name, value in fields.items())
    return f"{kind} ({rest})" if rest else kind


def _rows(found: dict[str, str]) -> list[Markup]:
    rows = []
    for name, value in found.items():
        rows.append(el("dt", name))
        rows.append(el("dd", value, cls="hash" if "sha256:" in value else None))
    return rows
