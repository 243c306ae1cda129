"""The prompts of a sweep: JSON lines, with the rules for prompts that pairs have.

{"prompt": "Where is my order?"}
{"prompt": [{"role": "user", "content": "..."}], "id": "late", "expected": {"days": 3}}
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, ValidationError, model_validator

from ..errors import CallerError
from ..message import Message
from ..pairs.line import Name, Prompt, Strict, Text

MAX_BYTES = 64 * 2**20
MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SweepPrompt:
    """What every setting answers."""

    id: str
    messages: tuple[Message, ...]
    """Ends with a user turn."""
    expected: JsonValue = None
    """What judges compare an answer with; the sweep carries it along."""

    @property
    def asked(self) -> str:
        """The latest user turn."""
        return self.messages[-1].content


class _Line(Strict):
    prompt: Prompt
    system: Text | None = None
    id: Name | None = None
    expected: JsonValue = None

    @model_validator(mode="after")
    def _one_system(self) -> _Line:
        if self.system is not None and self.prompt[0].role == "system":
            raise ValueError("'system' is given beside a system turn in the prompt; keep one")
        return self

    def read(self) -> SweepPrompt:
        turns = tuple(Message(turn.role, turn.content) for turn in self.prompt)
        messages = turns if self.system is None else (Message("system", self.system), *turns)
        return SweepPrompt(self.id or prompt_id(messages), messages, self.expected)


def prompt_id(messages: tuple[Message, ...]) -> str:
    """Returns the id of a prompt that names none: of what it says."""
    said = json.dumps([[message.role, message.content] for message in messages])
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def read_prompts(path: Path) -> tuple[SweepPrompt, ...]:
    """Returns the prompts in the file, in order.

    Raises `CallerError`: `prompts_not_found`; `prompts_invalid` with what is wrong in which line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _invalid(path, [f"larger than {MAX_BYTES:,} bytes; leave some out"])
        data = path.read_bytes()
    except OSError as error:
        raise CallerError(
            f"cannot read the prompts in {path} ({error.strerror}). Expected one JSON object a "
            'line: {"prompt": "..."}',
            code="prompts_not_found",
            param="prompts",
        ) from error
    return parse_prompts(data, path)


def parse_prompts(data: bytes, path: Path) -> tuple[SweepPrompt, ...]:
    """Returns the prompts that the bytes of a file hold; raises `CallerError(prompts_invalid)`."""
    prompts: list[SweepPrompt] = []
    problems: list[str] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            prompts.append(_Line.model_validate_json(line).read())
        except ValidationError as error:
            problems.append(f"line {number}: {_explain(error)}")
    counts = Counter(prompt.id for prompt in prompts)
    problems += [
        f"{count} prompts have the id {name!r} or say the same; keep one, and ask for several "
        "answers with --samples"
        for name, count in counts.items()
        if count > 1
    ]
    if not prompts and not problems:
        problems.append("it holds none")
    if problems:
        raise _invalid(path, problems)
    return tuple(prompts)


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; remove it"
    return f"{where}: {said}" if where else said


def _invalid(path: Path, problems: list[str]) -> CallerError:
    more = len(problems) - MAX_SHOWN
    shown = "; ".join(problems[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return CallerError(
        f"the prompts in {path} cannot be used: {shown}", code="prompts_invalid", param="prompts"
    )
