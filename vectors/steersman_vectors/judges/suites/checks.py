"""Instructions that can be checked without a model, as JSON in a question set. Pure.

{"kind": "words", "at_least": 20, "at_most": 40}     also `sentences`, `lines`, `bullets`,
                                                     `paragraphs`, `characters`
{"kind": "contains", "text": "thank you", "at_least": 1, "at_most": 2}
{"kind": "lacks", "text": "sorry"}                   as words, whatever the case
{"kind": "starts", "text": "Dear"}  {"kind": "ends", "text": "Best wishes"}
{"kind": "case", "text": "lower" | "upper"}
{"kind": "json", "keys": ["name", "age"]}            nothing but one JSON value
{"kind": "one_of", "texts": ["yes", "no"]}           nothing but one of these
{"kind": "lacks_characters", "text": ","}
{"kind": "quoted"}                                   all of it in double quotes
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..words import folded, words_of

_SENTENCE_END = re.compile(r"[.!?]+[\"'”’)\]]*(?:\s+|$)")
_BULLET = re.compile(r"\s*(?:[-*•+]|\d{1,3}[.)])\s+\S")
_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n[ \t]*```\Z", re.DOTALL | re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_TRAILING = ".!? \t\n\"'”’*_"
Amount = Annotated[int, Field(ge=0, le=100_000)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class _Check(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Counted(_Check):
    at_least: Amount = 0
    at_most: Amount | None = None

    @model_validator(mode="after")
    def _bounded(self) -> _Counted:
        if self.at_most is None and self.at_least == 0:
            raise ValueError("needs at_least or at_most")
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError("at_most is less than at_least")
        return self

    def fault_of(self, there: int, what: str) -> str:
        """Returns what is wrong with a count; empty if nothing is."""
        if there < self.at_least:
            return f"{there} {what}, expected at least {self.at_least}"
        if self.at_most is not None and there > self.at_most:
            return f"{there} {what}, expected at most {self.at_most}"
        return ""


class Count(_Counted):
    """So many of something."""

    kind: Literal["words", "sentences", "lines", "bullets", "paragraphs", "characters"]

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        return self.fault_of(count(self.kind, answer), self.kind)


class Contains(_Counted):
    """A text stands there, so often."""

    kind: Literal["contains"]
    text: Text
    at_least: Amount = 1

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        return self.fault_of(times(answer, self.text), f"times {self.text!r}")


class Lacks(_Check):
    """A text stands there nowhere."""

    kind: Literal["lacks"]
    text: Text

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        return f"says {self.text!r}" if times(answer, self.text) else ""


class LacksCharacters(_Check):
    """None of the characters is there."""

    kind: Literal["lacks_characters"]
    text: Text

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        there = sorted(set(answer) & set(self.text))
        return f"has {there[0]!r}" if there else ""


class Edge(_Check):
    """How it starts or ends, whatever the case; an end may have its full stop."""

    kind: Literal["starts", "ends"]
    text: Text

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        given, wanted = folded(answer).strip(), folded(self.text).strip()
        if self.kind == "starts":
            right = given.lstrip("\"'“\u2018*_ ").startswith(wanted)
        else:
            right = given.endswith(wanted) or given.rstrip(_TRAILING).endswith(
                wanted.rstrip(_TRAILING)
            )
        return "" if right else f"{self.kind} otherwise than with {self.text!r}"


class Case(_Check):
    """All letters in one case."""

    kind: Literal["case"]
    text: Literal["lower", "upper"]

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        if not any(char.isalpha() for char in answer):
            return "has no letters"
        right = answer == (answer.lower() if self.text == "lower" else answer.upper())
        return "" if right else f"is not all in {self.text} case"


class Json(_Check):
    """Nothing but one JSON value, which may be fenced; with keys: an object of just these."""

    kind: Literal["json"]
    keys: tuple[Text, ...] = ()

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        bare = answer.strip()
        fenced = _FENCED.match(bare)
        try:
            value = json.loads(fenced[1] if fenced else bare)
        except (ValueError, RecursionError):
            return "is not JSON alone"
        if not self.keys:
            return ""
        if not isinstance(value, dict) or set(value) != set(self.keys):
            return f"is not an object with the keys {', '.join(self.keys)}"
        return ""


class OneOf(_Check):
    """Nothing but one of these, whatever the case; a full stop may follow."""

    kind: Literal["one_of"]
    texts: tuple[Text, ...] = Field(min_length=1)

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        given = folded(answer).strip(_TRAILING + "“\u2018")
        right = any(given == folded(text).strip(_TRAILING) for text in self.texts)
        return "" if right else f"is not just {' or '.join(map(repr, self.texts))}"


class Quoted(_Check):
    """All of it in double quotes."""

    kind: Literal["quoted"]

    def fault(self, answer: str) -> str:
        """Returns what is wrong; empty if nothing is."""
        bare = answer.strip()
        right = len(bare) > 2 and (bare[0], bare[-1]) in (('"', '"'), ("“", "”"))
        return "" if right else "is not in double quotes"


Check = Annotated[
    Count | Contains | Lacks | LacksCharacters | Edge | Case | Json | OneOf | Quoted,
    Field(discriminator="kind"),
]


def count(kind: str, answer: str) -> int:
    """Returns how many words, sentences, lines, bullets, paragraphs or characters there are.

    A sentence is what a full stop, exclamation or question mark ends before a space, or what is
    left at the end; a line has something on it; a bullet is a line that begins as one of a list.
    """
    match kind:
        case "words":
            return len(words_of(answer))
        case "characters":
            return len(answer.strip())
        case "sentences":
            return sum(bool(words_of(part)) for part in _SENTENCE_END.split(answer))
        case "lines":
            return sum(bool(line.strip()) for line in answer.splitlines())
        case "bullets":
            return sum(bool(_BULLET.match(line)) for line in answer.splitlines())
        case "paragraphs":
            return sum(bool(part.strip()) for part in _BLANK_LINES.split(answer))
        case _:
            raise ValueError(f"nothing called {kind!r} is counted")


def times(answer: str, text: str) -> int:
    """Returns how often a text stands in an answer as whole words, whatever the case."""
    wanted, given = words_of(text), words_of(answer)
    if not wanted:
        return folded(answer).count(folded(text))
    length = len(wanted)
    return sum(given[at : at + length] == wanted for at in range(len(given) - length + 1))
