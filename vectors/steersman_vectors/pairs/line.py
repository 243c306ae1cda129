"""One line of a file of pairs: its forms, what they must say, and the examples they stand for.

    {"prompt": "...", "positive": "...", "negative": "..."}                        form `answers`
    {"positive_prompt": "...", "negative_prompt": "...", "answer": "..."}          form `prompts`
    {"prompt": "...", "label": "positive", "answer": "..."}                        form `set`

A prompt is a text, or a list of turns that ends with the user's. In the last two forms the answer
may be left out; `system`, `id`, `group` and `meta` may stand in any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import model_validator as checked_whole

from ..message import Message
from .fold import fold
from .pair import Example

Form = Literal["answers", "prompts", "set"]
MAX_TEXT_CHARS = 200_000
MAX_TURNS = 200
MAX_LINE_BYTES = 2**20
FORMS = (
    '{"prompt", "positive", "negative"}, {"positive_prompt", "negative_prompt"} or '
    '{"prompt", "label"}'
)


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says: a pair has both sides, a member of a set one."""

    form: Form
    positive: Example | None
    negative: Example | None
    id: str | None = None
    group: str | None = None
    """Lines of one group stay in one split; None: the prompt decides alone."""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[Example, ...]:
        """The examples there are, the positive one first."""
        return tuple(side for side in (self.positive, self.negative) if side is not None)


def parse_line(line: bytes) -> Line:
    """Returns what the line says; raises `ValueError` with what is wrong and the remedy."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"is longer than {MAX_LINE_BYTES:,} bytes; shorten the texts")
    value = _object(line)
    try:
        return _model_of(value).model_validate(value).line()
    except ValidationError as error:
        raise ValueError(_explain(error)) from None


def _text(value: str) -> str:
    if not fold(value):
        raise ValueError("is empty; write the text, or drop the line")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair; write the whole character") from None
    return value


Text = Annotated[str, Field(strict=True, max_length=MAX_TEXT_CHARS), AfterValidator(_text)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=512), AfterValidator(_text)]


class Strict(BaseModel):
    """Refuses keys that nothing would look at."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Turn(Strict):
    """One turn of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: Text


def _as_turns(value: Any) -> Any:
    if isinstance(value, str):
        return ({"role": "user", "content": value},)
    if isinstance(value, list):
        return tuple(value)
    raise ValueError('expected a text, or a list of {"role": ..., "content": ...}')


def _in_order(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    roles = [turn.role for turn in turns]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    if "system" in spoken:
        raise ValueError("has a system turn that is not the first; put it first, once")
    if not spoken or spoken[-1] != "user":
        raise ValueError("does not end with a user turn; the answers follow the prompt, so add one")
    for number, role in enumerate(reversed(spoken)):
        if role != ("user", "assistant")[number % 2]:
            raise ValueError("user and assistant turns do not alternate; join neighbours of a role")
    if spoken[0] != "user":
        raise ValueError("begins with an assistant turn; begin with the user's")
    return turns


Prompt = Annotated[
    tuple[Turn, ...],
    Field(min_length=1, max_length=MAX_TURNS),
    BeforeValidator(_as_turns),
    AfterValidator(_in_order),
]


class _Form(Strict):
    system: Text | None = None
    id: Name | None = None
    group: Name | None = None
    meta: dict[str, Any] = Field(default_factory=dict)

    def _prompt(self, turns: tuple[Turn, ...]) -> tuple[Message, ...]:
        messages = tuple(Message(turn.role, turn.content) for turn in turns)
        return messages if self.system is None else (Message("system", self.system), *messages)

    def _no_second_system(self, *prompts: tuple[Turn, ...]) -> None:
        if self.system is not None and any(turns[0].role == "system" for turns in prompts):
            raise ValueError("'system' is given beside a system turn in the prompt; keep one")

    def line(self) -> Line:
        """Returns the examples that it stands for."""
        raise NotImplementedError

    def _line(self, form: Form, positive: Example | None, negative: Example | None) -> Line:
        return Line(form, positive, negative, self.id, self.group, self.meta)


class AnswerPair(_Form):
    """One prompt, and an answer for each side."""

    prompt: Prompt
    positive: Text
    negative: Text

    @checked_whole(mode="after")
    def _differ(self) -> AnswerPair:
        self._no_second_system(self.prompt)
        if fold(self.positive) == fold(self.negative):
            raise ValueError("'positive' and 'negative' are the same; drop the line or change one")
        return self

    def line(self) -> Line:
        """Returns a pair whose answers differ."""
        prompt = self._prompt(self.prompt)
        return self._line("answers", Example(prompt, self.positive), Example(prompt, self.negative))


class PromptPair(_Form):
    """A prompt for each side, and perhaps one answer to both."""

    positive_prompt: Prompt
    negative_prompt: Prompt
    answer: Text | None = None

    @checked_whole(mode="after")
    def _differ(self) -> PromptPair:
        self._no_second_system(self.positive_prompt, self.negative_prompt)
        if _folded(self.positive_prompt) == _folded(self.negative_prompt):
            raise ValueError(
                "'positive_prompt' and 'negative_prompt' are the same; drop the line or change one"
            )
        return self

    def line(self) -> Line:
        """Returns a pair whose prompts differ."""
        positive, negative = map(self._prompt, (self.positive_prompt, self.negative_prompt))
        return self._line("prompts", Example(positive, self.answer), Example(negative, self.answer))


class SetMember(_Form):
    """One member of the positive set or of the negative one."""

    prompt: Prompt
    label: Literal["positive", "negative"]
    answer: Text | None = None

    @checked_whole(mode="after")
    def _one_system(self) -> SetMember:
        self._no_second_system(self.prompt)
        return self

    def line(self) -> Line:
        """Returns its one side."""
        example = Example(self._prompt(self.prompt), self.answer)
        if self.label == "positive":
            return self._line("set", example, None)
        return self._line("set", None, example)


def _model_of(value: dict[str, Any]) -> type[AnswerPair] | type[PromptPair] | type[SetMember]:
    if "label" in value:
        return SetMember
    if "positive_prompt" in value or "negative_prompt" in value:
        return PromptPair
    if "positive" in value or "negative" in value:
        return AnswerPair
    raise ValueError(f"has the keys {_short(sorted(value))}, expected those of {FORMS}")


def _object(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
        )
    except _SaidError as error:
        raise ValueError(str(error)) from None
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise ValueError(f"is not JSON ({why}); write one object a line") from None
    if isinstance(value, list):
        raise ValueError("is a JSON list; write one object a line (jq -c '.[]' does it)")
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {_short(value)}; its form is one of {FORMS}")
    return value


class _SaidError(Exception):
    """What is wrong with JSON that Python would take."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _SaidError(f"has the key {_short(twice)} twice; keep one")
    return found


def _no_constant(name: str) -> Any:
    raise _SaidError(f"has {name}, which is not JSON; write a number or null")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _SaidError(f"has the number {_short(digits)}, too large for a float")
    return number


def _folded(turns: tuple[Turn, ...]) -> list[tuple[str, str]]:
    return [(turn.role, fold(turn.content)) for turn in turns]


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"unknown key {_short(where)}; remove it, or put it under 'meta'"
    if first["type"] == "missing":
        return f"'{where}' is missing; add it"
    if first["type"] == "value_error":
        return f"'{where}' {said}" if where else said
    got = first.get("input")
    return f"'{where}': {said}, got {_short(got)}"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
