"""System prompts: none, neutral, or asking for a style."""

from random import Random

from steersman_demo.corpus.case import LENGTHS, TONES, Style
from steersman_demo.corpus.phrase import fill, load, pick

_TABLE = load("system_prompts")

STYLED_SHARE = 0.5
"""Share of conversations whose system prompt asks for a style."""


def neutral(rng: Random) -> str:
    """A system prompt that says who is speaking and nothing of style."""
    return fill(pick(_TABLE["neutral"], rng), {"shop": rng.choice(_TABLE["shops"])})


def styled(style: Style, rng: Random) -> str:
    """A system prompt that asks for `style`, alone or after a neutral sentence."""
    wishes = [pick(_TABLE[wish], rng) for wish in (style.tone, style.length) if wish is not None]
    rng.shuffle(wishes)
    if rng.random() < 0.6:
        wishes.insert(0, neutral(rng))
    return " ".join(wishes)


def draw(rng: Random) -> tuple[str | None, Style]:
    """A system prompt as it occurs in the corpus, with the style it asks for."""
    if rng.random() < STYLED_SHARE:
        asked = rng.choices(["tone", "length", "both"], [0.28, 0.4, 0.32])[0]
        style = Style(
            tone=rng.choice(TONES) if asked != "length" else None,
            length=rng.choice(LENGTHS) if asked != "tone" else None,
        )
        return styled(style, rng), style
    return (None if rng.random() < 0.4 else neutral(rng)), Style()
