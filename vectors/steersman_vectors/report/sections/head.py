"""The page's head: the name, where the vector stands, and the few figures to know."""

from __future__ import annotations

from .. import number_text
from ..contents import Contents
from ..dial import Dial
from ..markup import Markup, el, join
from ..verdict import Verdict
from .prose import prose

_TONE = {"calibrated": "good", "no presets": "bad", "no record": "open", "not calibrated": "open"}
SCALES = {
    "raw": "alpha × the undivided difference",
    "unit": "alpha itself",
    "residual": "alpha × mean residual norm",
    "token": "alpha × the token’s own norm",
}


def head(contents: Contents, dial: Dial | None, said: Verdict) -> Markup:
    """Returns the top of the page."""
    card = contents.card
    return el(
        "header",
        el("p", "Steering vector", cls="note"),
        el("h1", card.name),
        el("p", card.description, cls="lead") if card.description else None,
        el("p", el("span", said.label, cls=f"status {_TONE[said.standing]}")),
        el("p", prose(" ".join(said.sentences))),
        el("dl", *_tiles(contents, dial), cls="tiles"),
    )


def _tiles(contents: Contents, dial: Dial | None) -> list[Markup]:
    card, record = contents.card, contents.calibration
    most = card.alpha_max if record is None else record.alpha_max
    chosen = dial is not None and dial.confirmed
    layers = dial.layers if dial is not None and chosen else tuple(sorted(card.layers))
    rule = dial.layer_set if dial is not None and chosen else None
    tiles = [
        _tile(
            "alpha_max", "not known" if most is None else number_text.alpha(most),
            _end(contents, most),
        ),
        _tile("layers", number_text.layers(layers), rule),
        _tile("scale", card.scale, SCALES[card.scale]),
    ]  # fmt: skip
    if dial is not None:
        shown = {name: each.alpha for name, each in dial.confirmed.items()}
    else:
        shown = {name: preset.alpha for name, preset in card.presets.items()}
    alphas = " · ".join(map(number_text.alpha, sorted(shown.values(), key=abs)))
    names = " · ".join(sorted(shown, key=lambda name: abs(shown[name])))
    return [_tile("presets", alphas or "none", names or None), *tiles]


def _end(contents: Contents, most: float | None) -> str:
    if most is None:
        return "no alpha is known to be safe"
    record = contents.calibration
    tried = record is not None and not record.cliff_seen
    return "the largest tried; nothing broke" if tried else "the last before answers break"


def _tile(name: str, value: str, more: str | None) -> Markup:
    small = None if more is None else el("small", more)
    return el("div", el("dt", name), el("dd", join(value, small)))
