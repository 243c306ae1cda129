"""Example answers along the dial."""

from __future__ import annotations

from .. import number_text
from ..contents import Contents
from ..dial import Dial
from ..examples import Along, Shown, examples
from ..markup import Markup, el, join
from .prose import section


def answers(contents: Contents, dial: Dial | None) -> Markup | None:
    """Returns the section; None where no answers were kept."""
    found = examples(contents)
    if not found.prompts:
        return None
    if dial is not None:
        named = {each.alpha: name for name, each in dial.confirmed.items()}
    else:
        named = {preset.alpha: name for name, preset in contents.card.presets.items()}
    where = f" at {number_text.layers_named(found.layers)}, from the sweep" if found.layers else ""
    lead = f"The same prompts along the dial{where}. "
    lead += "Dashed edges are beyond alpha_max. " if found.most is not None else ""
    lead += "Red edges are degenerate, by the detectors that watch production, too."
    answered = (_along(each, named) for each in found.prompts)
    return section("Answers along the dial", el("p", lead), *answered)


def _along(along: Along, named: dict[float, str]) -> Markup:
    items = [_answer(answer, named.get(answer.alpha)) for answer in along.answers]
    return join(el("p", along.prompt, cls="asked", dir="auto"), el("ol", *items, cls="dial"))


def _answer(answer: Shown, preset: str | None) -> Markup:
    kinds = [
        name
        for name, holds in (
            ("plain", answer.alpha == 0), ("beyond", answer.beyond), ("broken", answer.findings)
        )
        if holds
    ]  # fmt: skip
    where = "unsteered" if answer.alpha == 0 else preset or ("beyond" if answer.beyond else None)
    small = None if where is None else el("small", where)
    tag = None
    if answer.findings:
        why = ", ".join(answer.findings).replace("_", " ")
        tag = el("span", f"degenerate: {why}", cls="broken-tag")
    rest = f" … {answer.left_out:,} characters more" if answer.left_out else None
    return el(
        "li",
        el("span", number_text.alpha(answer.alpha), small, cls="alpha"),
        el(
            "div",
            el("span", answer.text or "(nothing)", dir="auto"),
            None if rest is None else el("span", rest, cls="note"),
            tag,
            cls="text",
        ),
        cls=" ".join(kinds) or None,
    )
