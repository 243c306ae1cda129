"""Pairs as hypothesis draws them, and as people write them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from steersman_vectors.pairs.line import Line, parse_line

texts = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda text: bool(text.split()) and "\x00" not in text)  # fmt: skip
"""Whatever Unicode has, surrogates aside."""


@st.composite
def pair_values(draw: st.DrawFn) -> dict[str, Any]:
    """A valid line with two answers."""
    prompt = draw(texts)
    return {"prompt": prompt, "positive": "yes " + draw(texts), "negative": "no " + draw(texts)}


def line_of(value: dict[str, Any]) -> Line:
    return parse_line(json.dumps(value).encode())


def write(path: Path, *values: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


NOUNS = (
    *("parcel", "invoice", "password", "bicycle", "garden"),
    *("violin", "tax", "rocket", "bakery", "passport"),
)
VERBS = (
    *("lost", "broke", "forgot", "painted", "sold"),
    *("cleaned", "wanted", "feared", "found", "repaired"),
)
PLACES = (
    *("Berlin", "Lagos", "Quito", "Osaka", "Cairo"),
    *("Perth", "Oslo", "Lima", "Delhi", "Boston"),
)
WARM = "That sounds hard, and I am glad you told me about the {noun} in {place}, {word}."
COLD = "Noted in the file: the {noun} in {place}, which was handled under the usual rule, {word}."
WORDS = (
    *("indeed", "truly", "plainly", "surely", "today"),
    *("again", "perhaps", "kindly", "quickly", "now"),
)


def clean(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Pairs that nothing is wrong with: all prompts differ, both sides are as long."""
    draw = random.Random(seed)
    scenes = [(n, v, p) for n in NOUNS for v in VERBS for p in PLACES]
    found = []
    for noun, verb, place in draw.sample(scenes, count):
        words = {"noun": noun, "place": place}
        found.append(
            {
                "prompt": f"{verb.title()} {noun}: {place} {' '.join(draw.sample(WORDS, 6))}?",
                "positive": WARM.format(
                    **words, word=" ".join(draw.sample(WORDS, draw.choice([2, 3, 4])))
                ),
                "negative": COLD.format(
                    **words, word=" ".join(draw.sample(WORDS, draw.choice([2, 3, 4])))
                ),
            }
        )
    return found
