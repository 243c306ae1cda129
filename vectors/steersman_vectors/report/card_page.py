"""The Markdown card: what a vector is for, how to dose it, what speaks for it and against it."""

from __future__ import annotations

from collections.abc import Iterator

from . import number_text
from .contents import Contents
from .dial import Dial, compared, dial_of, gate_of, letter, side_measures, told_of, value_at
from .layer_metrics import layer_metrics
from .markdown import block, code, plain, sentence, table
from .missing import missing
from .sections.card_presets import evidence_text
from .sections.head import SCALES
from .sections.joint import joint_rows
from .sections.making import made
from .sections.side_effects import gate_text
from .verdict import verdict


def card_page(contents: Contents) -> bytes:
    """Returns the card's bytes; the same contents give the same bytes."""
    record = contents.calibration
    dial = None if record is None else dial_of(record)
    return ("\n\n".join(_parts(contents, dial)) + "\n").encode()


def _parts(contents: Contents, dial: Dial | None) -> Iterator[str]:
    card, said = contents.card, verdict(contents)
    yield f"# {plain(card.name)}"
    if card.description:
        yield plain(card.description)
    yield f"**{said.label}.** " + " ".join(map(sentence, said.sentences))
    yield from _base_model(contents)
    yield from _dosing(contents, dial)
    if dial is not None:
        yield from _evidence(dial)
    yield from _together(contents)
    yield from _limits(contents)
    yield from _making(contents)


def _base_model(contents: Contents) -> Iterator[str]:
    card, record = contents.card, contents.calibration
    fingerprint = card.fingerprint or (None if record is None else record.fingerprint)
    yield "## Base model"
    if fingerprint is None:
        yield "Bound to no base model yet; `steersman vectors import` binds it."
        return
    yield (
        f"{code(fingerprint)}, hidden size {card.hidden_size}. On any other model, a fine-tune "
        "of this one included, Steersman refuses it. `steersman fingerprint MODEL` prints that "
        "of a model."
    )


def _dosing(contents: Contents, dial: Dial | None) -> Iterator[str]:
    card, record = contents.card, contents.calibration
    yield "## How to dose it"
    if dial is not None:
        alphas = {name: each.alpha for name, each in dial.confirmed.items()}
    else:
        alphas = {name: each.alpha for name, each in card.presets.items()}
    first = min(alphas, key=lambda name: abs(alphas[name]), default=None)
    dose = f'"{first}"' if first is not None else "0.1"
    yield block(f'"steering": {{"vectors": {{"{card.name}": {dose}}}}}', "json")
    most = card.alpha_max if record is None else record.alpha_max
    layers = dial.layers if dial is not None and dial.confirmed else tuple(sorted(card.layers))
    lines = [
        f"- scale {code(card.scale)}: {SCALES[card.scale]}",
        f"- {number_text.layers_named(layers)}",
        f"- `alpha_max`: {'not known' if most is None else number_text.alpha(most)}",
    ]
    if record is not None:
        lines.append(f"- measured under scope {code(record.scope)}, schedule "
                     f"{code(record.schedule.kind)}")  # fmt: skip
    yield "\n".join(lines)
    if dial is None and card.presets:
        rows = [
            (code(name), number_text.alpha(preset.alpha), plain(evidence_text(preset.evidence)))
            for name, preset in sorted(card.presets.items(), key=lambda item: abs(item[1].alpha))
        ]
        yield table(("preset", "alpha", "evidence"), rows)
    elif not alphas:
        yield "It has no presets. What an alpha does must be measured before it is used."


def _evidence(dial: Dial) -> Iterator[str]:
    record, told = dial.record, dial.told
    behaviour = record.behaviour
    yield "## What it does"
    yield (
        f"{code(behaviour)} on the held-out split, with 95% intervals; changes are against "
        "unsteered answers to the same prompts."
    )
    rows = []
    if behaviour in record.unsteered:
        rows.append(("unsteered", "0", number_text.estimate(record.unsteered[behaviour], told), ""))
    for index, each in enumerate(record.prompted):
        if behaviour in each.figures:
            found = number_text.estimate(each.figures[behaviour], told)
            rows.append((f"prompt {letter(index)}, no vector", "0", found, ""))
    for name, preset in dial.confirmed.items():
        if behaviour in preset.heldout.figures:
            found = number_text.estimate(preset.heldout.figures[behaviour], told)
            change = preset.heldout.changes.get(behaviour)
            moved = "" if change is None else number_text.change_estimate(change, told)
            rows.append((code(name), number_text.alpha(preset.alpha), found, moved))
    yield table(("", "alpha", code(behaviour), "change"), rows)
    if record.prompted:
        yield "\n".join(
            f"- prompt {letter(index)}: {code(each.system_prompt)}"
            for index, each in enumerate(record.prompted)
        )
    if dial.confirmed:
        yield from _side_effects(dial)


def _side_effects(dial: Dial) -> Iterator[str]:
    record = dial.record
    yield "## Side effects"
    rows = []
    for measure in side_measures(record):
        told, changes = told_of(record, measure), compared(record, measure)
        unit = number_text.unit_of(told)
        cells = [code(measure) + (f" ({plain(unit)})" if unit else "")]
        for preset in dial.confirmed.values():
            found = value_at(record, preset.heldout, measure)
            if found is None:
                cells.append("not measured")
            elif changes:
                cells.append(number_text.change_estimate(found, told))
            else:
                cells.append(number_text.estimate(found, told))
        rows.append([*cells, gate_text(dial, gate_of(record, measure))])
    yield table(["", *map(code, dial.confirmed), "gate"], rows)
    yield (
        "Gates are held by the interval's worse end. Where the gate is a change or there is none, "
        "figures are changes against unsteered."
    )


def _together(contents: Contents) -> Iterator[str]:
    rows = joint_rows(contents)
    if not rows:
        return
    yield "## Beside other vectors"
    head = (code(contents.card.name), "with", "against each alone", "half", "gates failed")
    yield table(head, [[plain(cell) for cell in row if isinstance(cell, str)] for row in rows])


def _limits(contents: Contents) -> Iterator[str]:
    yield "## Limits"
    lines = [
        "- It moves tendencies. It does not teach facts and does not take abilities away.",
        "- Figures hold for the prompts, language and sampling that they were measured with.",
        "- Beside other vectors it can do something else: calibrate them together.",
    ]
    yield "\n".join([*lines, *(f"- {sentence(each)}" for each in missing(contents))])


def _making(contents: Contents) -> Iterator[str]:
    card = contents.card
    yield "## How it was made"
    command = card.recipe.get("command")
    if isinstance(command, str):
        yield block(command, "sh")
    yield table(
        ("", ""),
        [
            (name, code(value) if "sha256:" in value else plain(value))
            for name, value in made(contents).items()
        ],
    )
    found = layer_metrics(contents.measured)
    first = None if found is None else found.try_first
    if found is not None and first is not None:
        figures = [
            f"{series.name.replace('_', ' ')} {number_text.number(series.values[first])}"
            for series in found.series
            if first in series.values
        ]
        yield f"Layer {first}, which extraction said to try first: {plain(', '.join(figures))}."
