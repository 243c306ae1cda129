"""Question sets: JSON lines of a prompt with what its answer must hold, or must keep to.

    {"prompt": "What is the capital of France?", "expected": "Paris"}
    {"prompt": "How many legs has a spider?", "expected": ["8", "eight"]}
    {"prompt": "Who wrote it, and when?", "expected": [["Mary Shelley"], ["1818"]]}
    {"prompt": "Say it in a word.", "expected": {"checks": [{"kind": "words", "at_most": 1}]}}

A list is of alternatives; a list of lists is of groups, and one of each group must be there. An
object has `checks`, `facts`, or both. `steersman vectors sweep --prompts` takes such lines, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

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
    id: str = ""


class _Turn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str = Field(min_length=1)
    content: str


class _Wanted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: Any = None
    checks: tuple[Check, ...] = ()


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: str | tuple[_Turn, ...] = Field(min_length=1)
    expected: Any
    system: str | None = None
    id: str = ""


_FACT: TypeAdapter[Fact] = TypeAdapter(Fact)
_ALTERNATIVES: TypeAdapter[Alternatives] = TypeAdapter(Alternatives)
_GROUPS: TypeAdapter[Groups] = TypeAdapter(Groups)


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
            raise _invalid(name, f"line {number}: {_explained(error)}") from None
        except ValueError as error:
            raise _invalid(name, f"line {number}: {error}") from None
        if len(found) > MAX_QUESTIONS:
            raise _invalid(name, f"it has more than {MAX_QUESTIONS:,} questions; split it")
    if not found:
        raise _invalid(name, "it has no questions")
    return tuple(found)


def expected_of(value: Any) -> tuple[tuple[tuple[str, ...], ...], tuple[Check, ...]]:
    """Returns the facts and the checks in an `expected`, as JSON has it.

    Raises `ValueError` for what is neither, such as what another judge expects.
    """
    if not isinstance(value, dict):
        return _groups(value), ()
    wanted = _Wanted.model_validate(value)
    if wanted.facts is None and not wanted.checks:
        raise ValueError("has neither facts nor checks, so no answer is right or wrong")
    return () if wanted.facts is None else _groups(wanted.facts), wanted.checks


def _groups(facts: Any) -> tuple[tuple[str, ...], ...]:
    if not isinstance(facts, list | tuple):
        return ((_FACT.validate_python(facts),),)
    if all(isinstance(each, str) for each in facts):
        return (_ALTERNATIVES.validate_python(facts),)
    return _GROUPS.validate_python(facts)


def _question(line: _Line) -> Question:
    prompt = line.prompt
    turns = (_Turn(role="user", content=prompt),) if isinstance(prompt, str) else prompt
    if turns[-1].role != "user":
        raise ValueError(f"the prompt ends with a turn of {turns[-1].role!r}, expected the user's")
    facts, checks = expected_of(line.expected)
    messages = tuple(Message(turn.role, turn.content) for turn in turns)
    if line.system is not None:
        messages = (Message("system", line.system), *messages)
    return Question(messages, facts, checks, line.id)


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    at = ".".join(map(str, first["loc"]))
    where = at if at.startswith("prompt") else f"expected.{at}".rstrip(".")
    return f"{where}: {first['msg']}"


def _invalid(name: str, what: str) -> CallerError:
    return CallerError(f"question set {name}: {what}", code="questions_invalid")
