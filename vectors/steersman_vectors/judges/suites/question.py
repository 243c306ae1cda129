"""Question sets: JSON lines of a prompt with what its answer must hold, or must keep to.

    {"prompt": "What is the capital of France?", "expected": "Paris"}
    {"prompt": "How many legs has a spider?", "expected": ["8", "eight"]}
    {"prompt": "Who wrote it, and when?", "expected": [["Mary Shelley"], ["1818"]]}
    {"prompt": "Name a colour in one word.", "checks": [{"kind": "words", "at_most": 1}]}

A list is of alternatives; a list of lists is of groups, and one of each group must be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import CallerError
from ...message import Message
from .checks import Check

SHIPPED: Mapping[str, str] = {"facts": "facts.jsonl", "instructions": "instructions.jsonl"}
MAX_BYTES, MAX_QUESTIONS = 64 << 20, 100_000
Fact = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\w")]
Alternatives = Annotated[tuple[Fact, ...], Field(min_length=1)]
Groups = Annotated[tuple[Alternatives, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt of a set."""

    messages: tuple[Message, ...]
    """Ends with a user turn."""
    expected: tuple[tuple[str, ...], ...] = ()
    checks: tuple[Check, ...] = ()
    topic: str = ""


class _Turn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str = Field(min_length=1)
    content: str


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: str | tuple[_Turn, ...] = Field(min_length=1)
    expected: Fact | Alternatives | Groups | None = None
    checks: tuple[Check, ...] = ()
    topic: str = ""


def shipped(name: str) -> tuple[Question, ...]:
    """Returns a set that ships: `facts` or `instructions`."""
    if name not in SHIPPED:
        raise _invalid(name, f"no such set ships, expected one of {', '.join(SHIPPED)}")
    text = (files(__package__) / SHIPPED[name]).read_text(encoding="utf-8")
    return parse_questions(text, name)


def read_questions(path: Path) -> tuple[Question, ...]:
    """Returns the questions of a file; raises `CallerError(questions_invalid)` naming the line."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(str(path), f"it cannot be read as UTF-8 text ({error})") from None
    if len(data) > MAX_BYTES:
        raise _invalid(str(path), f"it has more than {MAX_BYTES:,} bytes; split it")
    return parse_questions(text, str(path))


def parse_questions(text: str, name: str) -> tuple[Question, ...]:
    """Returns the questions of JSON lines; raises `CallerError(questions_invalid)`."""
    found: list[Question] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(_question(_Line.model_validate_json(line)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join(map(str, first["loc"])) or "line"
            raise _invalid(name, f"line {number}: {at}: {first['msg']}") from None
        except ValueError as error:
            raise _invalid(name, f"line {number}: {error}") from None
        if len(found) > MAX_QUESTIONS:
            raise _invalid(name, f"it has more than {MAX_QUESTIONS:,} questions; split it")
    if not found:
        raise _invalid(name, "it has no questions")
    return tuple(found)


def groups_of(expected: Any) -> tuple[tuple[str, ...], ...]:
    """Returns `expected` as `Judgeable` has it, from a string, alternatives or groups of them.

    Raises `ValueError` for anything else.
    """
    if expected is None:
        return ()
    if isinstance(expected, str):
        return ((expected,),)
    if not isinstance(expected, Sequence) or not expected:
        raise ValueError("`expected` is a string, a list of strings, or a list of such lists")
    groups = [expected] if all(isinstance(each, str) for each in expected) else expected
    for group in groups:
        strings = isinstance(group, Sequence) and all(isinstance(each, str) for each in group)
        if isinstance(group, str) or not strings or not group:
            raise ValueError("`expected` is a string, a list of strings, or a list of such lists")
    return tuple(tuple(group) for group in groups)


def _question(line: _Line) -> Question:
    turns = (
        [_Turn(role="user", content=line.prompt)] if isinstance(line.prompt, str) else line.prompt
    )
    if turns[-1].role != "user":
        raise ValueError(f"the prompt ends with a turn of {turns[-1].role!r}, expected the user's")
    if line.expected is None and not line.checks:
        raise ValueError("has neither `expected` nor `checks`, so no answer is right or wrong")
    messages = tuple(Message(turn.role, turn.content) for turn in turns)
    return Question(messages, groups_of(line.expected), line.checks, line.topic)


def _invalid(name: str, what: str) -> CallerError:
    return CallerError(f"question set {name}: {what}", code="questions_invalid")
