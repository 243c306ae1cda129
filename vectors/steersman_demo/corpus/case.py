"""The nouns of the corpus: what a turn says and what a right answer to it must contain."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["warm", "cold"]
Length = Literal["concise", "verbose"]
Split = Literal["train", "test"]
Reference = Literal["order", "account", "ticket"]

TONES: tuple[Tone, ...] = ("warm", "cold")
LENGTHS: tuple[Length, ...] = ("concise", "verbose")


@dataclass(frozen=True)
class Truth:
    """What the judge holds an answer to."""

    kind: str
    """Topic name, or `recall`, `duration`, `quote`, `thanks`, `greeting`, `unsafe`."""
    facts: tuple[str, ...] = ()
    """Strings that a right answer contains, e.g. `("48213", "$45", "3 business days")`."""
    refusal: bool = False
    """True when the only right answer is to refuse."""


@dataclass(frozen=True)
class Turn:
    """One question with one reference answer in a known style."""

    question: str
    answer: str
    truth: Truth
    tone: Tone
    length: Length


@dataclass(frozen=True)
class Style:
    """What a system prompt asks for; None where it is silent."""

    tone: Tone | None = None
    length: Length | None = None


@dataclass(frozen=True)
class Conversation:
    """One training example: an optional system prompt and one to three turns."""

    system: str | None
    style: Style
    turns: tuple[Turn, ...]

    def messages(self) -> list[dict[str, str]]:
        """The conversation as chat messages."""
        messages = [] if self.system is None else [{"role": "system", "content": self.system}]
        for turn in self.turns:
            messages.append({"role": "user", "content": turn.question})
            messages.append({"role": "assistant", "content": turn.answer})
        return messages
