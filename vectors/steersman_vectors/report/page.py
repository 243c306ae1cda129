"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

from importlib.resources import files

from .contents import Contents
from .dial import dial_of
from .markup import Markup, el
from .missing import missing
from .sections.answers import answers
from .sections.card_presets import card_presets
from .sections.dose import dose
from .sections.head import head
from .sections.heat_maps import heat_maps
from .sections.joint import joint
from .sections.layers import layers
from .sections.making import making
from .sections.prompting import prompting
from .sections.prose import prose, section
from .sections.side_effects import side_effects
from .verdict import verdict

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A browser that opens the page fetches nothing and runs nothing, whatever the data say."""


def page(contents: Contents) -> bytes:
    """Returns the page's bytes; the same contents give the same bytes."""
    record = contents.calibration
    dial = None if record is None else dial_of(record)
    said = verdict(contents)
    main = el(
        "main",
        head(contents, dial, said),
        dose(dial),
        card_presets(contents),
        side_effects(dial),
        prompting(dial),
        joint(contents),
        answers(contents, dial),
        heat_maps(contents, dial),
        layers(contents, dial),
        _missing(contents),
        making(contents),
    )
    return _document(contents.card.name, main).encode()


def _missing(contents: Contents) -> Markup | None:
    found = missing(contents)
    if not found:
        return None
    items = [el("li", prose(sentence)) for sentence in found]
    return section("What is missing", el("ul", *items, cls="missing"))


def _document(name: str, main: Markup) -> str:
    style = Markup(files(__package__).joinpath("page.css").read_text(encoding="utf-8"))
    top = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", f"{name}: a steering vector’s report"),
        el("style", style),
    )
    return f"<!doctype html>\n{el('html', top, el('body', main), lang='en')}\n"
