"""Labelled user turns for the demo's intents: from the corpus's phrasings, and written by hand.

No phrasing is on both sides: the corpus keeps held-out cores of its own, and so do the hand-written
lists. `group` names the phrasing, so that cross-validation keeps one phrasing together.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from steersman_demo.corpus import Split
from steersman_demo.corpus.phrase import fill, load, pick
from steersman_demo.corpus.questions import Case, Mention, aside, draw_number, draw_values, question
from steersman_demo.corpus.topics import Topic, topics

Row = dict[str, Any]
FILES: dict[Split, str] = {"train": "train.jsonl", "test": "held_out.jsonl"}
HERE = Path(__file__).parent
DRAWS: dict[Split, int] = {"train": 1, "test": 1}
"""Messages per phrasing of the corpus."""
_MENTIONS: tuple[Mention, ...] = ("given", "missing")
_CORES = {"train": "cores", "test": "held_out"}
_TURNS = load("turns")
_FILLERS = load("questions")


def rows(split: Split, seed: int = 0) -> list[Row]:
    """All labelled turns of a split, in a fixed order, no text twice."""
    rng = Random(f"intents/{split}/{seed}")
    made = [*_by_hand(split), *_topics(split, rng), *_unsafe(split, rng), *_small_talk(split)]
    if split == "train":
        made += _fillers(rng)
    else:
        made += [*_follow_ups(rng), *_long(rng), *_buried(rng)]
    return list({row["text"] + str(row.get("context")): row for row in made}.values())


def write(path: Path, made: list[Row]) -> None:
    """Write one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))


def _by_hand(split: Split) -> Iterator[Row]:
    table = tomllib.loads((HERE / "phrases.toml").read_text())
    for part in ("train",) if split == "train" else ("held_out", "fresh"):
        for label, texts in table[part].items():
            for text in texts:
                source = "by hand, fresh" if part == "fresh" else "by hand"
                yield _row(text, None if label == "none" else label, source)


def _topics(split: Split, rng: Random) -> Iterator[Row]:
    for topic in topics():
        for number, core in enumerate(topic.cores[split]):
            for _ in range(DRAWS[split]):
                text = _asked(replace(topic, cores={split: [core]}), split, rng)
                yield _row(text, topic.category, "corpus", f"{topic.name}/{split}/{number}")


def _asked(topic: Topic, split: Split, rng: Random) -> str:
    case = Case(topic, draw_number(rng), draw_values(topic, rng), rng.choice(_MENTIONS))
    return question(case, split, rng)


def _unsafe(split: Split, rng: Random) -> Iterator[Row]:
    table = _TURNS["unsafe"]
    for number, core in enumerate(table[_CORES[split]]):
        slots = {"target": "targets", "goods": "goods", "victim": "victims"}
        values = {slot: rng.choice(table[options]) for slot, options in slots.items()}
        text = fill(pick([core], rng), values)
        yield _row(text, "safety", "corpus", f"unsafe/{split}/{number}")


def _small_talk(split: Split) -> Iterator[Row]:
    """Greetings, thanks, and questions that mean nothing without what went before."""
    for kind in ("greeting", "thanks", "duration"):
        for text in _TURNS[kind][_CORES[split]]:
            yield _row(text, None, "corpus")


def _fillers(rng: Random) -> Iterator[Row]:
    """What surrounds a question: sentences that say nothing of what it is about."""
    for kind in ("greetings", "openers", "closers"):
        for number, template in enumerate(_FILLERS[kind]):
            text = fill(pick([template], rng), aside(rng))
            yield _row(text, None, "corpus", f"{kind}/{number}")


def _follow_ups(rng: Random) -> Iterator[Row]:
    """A question on a topic, then one that only it explains."""
    for text in _TURNS["duration"]["held_out"]:
        for topic in topics():
            yield {
                **_row(text, topic.category, "follow-up"),
                "context": [_asked(topic, "test", rng)],
            }


def _long(rng: Random, count: int = 24) -> Iterator[Row]:
    """Several messages of one category in a row: 100 words and more."""
    every = topics()
    for index in range(count):
        category = every[index * len(every) // count].category
        yield _row(" ".join(_paragraph(category, rng)), category, "long")


def _buried(rng: Random) -> Iterator[Row]:
    """A held-out sentence of safety inside of such a message."""
    sentences = [row["text"] for row in _by_hand("test") if row["label"] == "safety"]
    for index, sentence in enumerate(rng.sample(sentences, 24)):
        parts = _paragraph(("billing", "delivery", "account", "technical")[index % 4], rng)
        parts.insert(len(parts) // 2, f"{sentence}.")
        yield _row(" ".join(parts), "safety", "buried")


def _paragraph(category: str, rng: Random) -> list[str]:
    mine = [topic for topic in topics() if topic.category == category]
    return [_asked(rng.choice(mine), "test", rng) for _ in range(6)]


def _row(text: str, label: str | None, source: str, group: str | None = None) -> Row:
    row: Row = {"text": text, "label": label, "source": source}
    return row if group is None else {**row, "group": group}
