"""Questions: a core phrasing inside greetings, lead-ins, reference sentences and closers."""

import re
from dataclasses import dataclass
from random import Random
from typing import Literal

from steersman_demo.corpus.case import Reference, Split
from steersman_demo.corpus.phrase import capitalised, fill, load, pick
from steersman_demo.corpus.topics import Topic

Mention = Literal["given", "same", "missing"]
"""Whether the question gives its reference number, points back to an earlier one, or lacks it."""

_QUESTION = re.compile(
    r"^(why|where|when|how|what|is|can|could|would|may|has|did|do|which|tell me when)\b"
)
_TABLE = load("questions")


@dataclass(frozen=True)
class Case:
    """The values that one question is about."""

    topic: Topic
    number: str
    """Reference number, five digits."""
    values: dict[str, str]
    mention: Mention


def draw_number(rng: Random) -> str:
    """A reference number of five digits."""
    return str(rng.randint(10_000, 99_999))


def draw_values(topic: Topic, rng: Random) -> dict[str, str]:
    """A value for each slot of the topic."""
    drawn = {
        "amount": f"${rng.randint(11, 499)}",
        "code": str(rng.randint(100, 599)),
        **{slot: rng.choice(options) for slot, options in _TABLE["values"].items()},
    }
    return {slot: drawn[slot] for slot in topic.slots}


def question(case: Case, split: Split, rng: Random) -> str:
    """A full user message about the case. Only the core decides the split."""
    topic, kind = case.topic, case.topic.reference
    core = pick(topic.cores[split], rng)
    inline = case.mention == "given" and "{obj}" in core and rng.random() < 0.7
    if split == "train" and rng.random() < 0.25:
        core = roughen(core, rng)
    filled = fill(
        core, {"obj": pick(_TABLE["inline" if inline else "bare"][kind], rng), **case.values}
    )
    sentences = [_sentence(filled, rng)]
    if not inline and case.mention != "missing":
        sentences.insert(
            0 if rng.random() < 0.3 else 1, _reference_sentence(case.mention, kind, rng)
        )
    if rng.random() < 0.3:
        sentences.insert(0, pick(_TABLE["openers"], rng))
    if rng.random() < 0.45:
        sentences.append(pick(_TABLE["closers"], rng))
    if rng.random() < 0.35:
        sentences.insert(0, pick(_TABLE["greetings"], rng))
    text = fill(" ".join(sentences), {"number": case.number, **aside(rng)})
    return text.lower() if rng.random() < 0.06 and not _has_name(case) else text


def aside(rng: Random) -> dict[str, str]:
    """Values that a message mentions and an answer must not repeat."""
    return {"year": str(rng.randint(2012, 2025)), "name": rng.choice(_TABLE["names"])}


def roughen(core: str, rng: Random) -> str:
    """`core` as a hurried customer types it: now and then a word is missing or out of place."""
    words = [word for word in core.split() if "{" in word or rng.random() > 0.09]
    if len(words) > 3 and rng.random() < 0.3:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def punctuated(core: str, rng: Random) -> str:
    """`core` as a sentence: capital letter and final mark."""
    mark = "?" if _QUESTION.match(core) else rng.choice([".", ".", ".", "!", ""])
    return capitalised(core) + mark


def _sentence(core: str, rng: Random) -> str:
    if _QUESTION.match(core) or core.startswith("please") or rng.random() > 0.25:
        return punctuated(core, rng)
    return f"{pick(_TABLE['lead_ins'], rng)} {core}."


def _reference_sentence(mention: Mention, kind: Reference, rng: Random) -> str:
    return pick(_TABLE["same" if mention == "same" else "sentence"][kind], rng)


def _has_name(case: Case) -> bool:
    return bool({"day", "city"} & set(case.topic.slots))
