"""The twelve support topics, read from the tables beside this file."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from steersman_demo.corpus.case import TONES, Reference, Split, Tone
from steersman_demo.corpus.phrase import load

__all__ = ["Topic", "topics"]

CATEGORIES = ("billing", "delivery", "account", "technical")


@dataclass(frozen=True)
class Topic:
    """One kind of case: how customers put it, what the rule is, how answers state the facts."""

    name: str
    category: str
    mood: Literal["problem", "request"]
    reference: Reference
    slots: tuple[str, ...]
    rule: str
    """The policy fact, verbatim, e.g. `3 business days`."""
    cores: dict[Split, list[str]]
    facts: dict[Tone, list[str]]
    rules: dict[Tone, list[str]]
    details: dict[Tone, list[str]]


@cache
def topics() -> tuple[Topic, ...]:
    """All topics in a fixed order."""
    return tuple(
        Topic(
            name=name,
            category=category,
            mood=row["mood"],
            reference=row["reference"],
            slots=tuple(row["slots"]),
            rule=row["rule"],
            cores={"train": row["cores"], "test": row["held_out"]},
            facts={tone: row[f"facts_{tone}"] for tone in TONES},
            rules={tone: row[f"rule_{tone}"] for tone in TONES},
            details={tone: row[f"detail_{tone}"] for tone in TONES},
        )
        for category in CATEGORIES
        for name, row in load(f"topics/{category}").items()
    )
