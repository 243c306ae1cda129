"""Turn markers of a chat template, derived at start by rendering sentinel conversations.

Two renderings that differ in one text only are compared token by token: the difference is that
text, and what lies between two texts is the template. No template family is known by name. What was
derived is then proven on the same conversations: the assistant's content is found and nobody
else's, and a turn of the prompt starts where it started when it was generated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .spans import Header, Tokens, TurnMarkers, unsupported

Message = dict[str, Any]
Render = Callable[[Sequence[Message], bool, Mapping[str, Any]], list[int]]
"""(messages, add_generation_prompt, template arguments) -> token ids, special tokens included."""
IsToken = Callable[[int], bool]
Write = Callable[[str], Message]
Region = tuple[int, int]

THINKING: tuple[dict[str, Any], ...] = (
    {},
    {"enable_thinking": True},
    {"enable_thinking": False},
    {"thinking": True},
    {"thinking": False},
)
"""Template arguments that change what a generation prompt puts into the model's mouth."""


@dataclass(frozen=True)
class Slot:
    """One message of a sentinel conversation: how it is written, and two texts for it.

    The texts differ at both ends, so that their difference is the whole text.
    """

    write: Write
    texts: tuple[str, str]
    is_assistant: bool = False


def _says(role: str) -> Write:
    return lambda text: {"role": role, "content": text}


def _calls(content: str | None, arguments: Callable[[dict[str, str]], Any]) -> Write:
    def write(text: str) -> Message:
        function = {"name": "look_up", "arguments": arguments({"city": text})}
        call = {"id": "callabc12", "type": "function", "function": function}
        return {"role": "assistant", "content": content, "tool_calls": [call]}

    return write


def _result(text: str) -> Message:
    return {"role": "tool", "tool_call_id": "callabc12", "name": "look_up", "content": text}


SYSTEM = Slot(_says("system"), ("Be kind.", "answers are short!"))
USER = Slot(_says("user"), ("Where is it?", "7 blue apples cost more"))
ASSISTANT = Slot(_says("assistant"), ("Here, take 5", "Nobody knows that!"), is_assistant=True)
RESULT = Slot(_result, ("4 degrees", "rather warm: 21"))
# Templates differ in how they want a call written.
CALLS = tuple(
    Slot(_calls(content, arguments), ("Oslo", "near Rome?"), is_assistant=True)
    for content in ("", None)
    for arguments in (dict, json.dumps)
)

PLAIN = (USER, ASSISTANT, USER)
CLOSED = (USER, ASSISTANT)
LONG = (USER, ASSISTANT, USER, ASSISTANT, USER)
WITH_SYSTEM = (SYSTEM, USER, ASSISTANT, USER)
WITH_TOOLS = tuple((USER, call, RESULT, ASSISTANT, USER) for call in CALLS)


@dataclass(frozen=True)
class Conversation:
    """Rendered slots: the tokens, and where each slot's text lies in them."""

    slots: tuple[Slot, ...]
    ids: list[int]
    regions: tuple[Region, ...]

    def before(self, i: int) -> list[int]:
        """Returns the template's tokens between text i - 1 and text i."""
        return self.ids[self.regions[i - 1][1] : self.regions[i][0]]

    def after(self, i: int) -> list[int]:
        """Returns the template's tokens between text i and the next one, or the end."""
        until = self.regions[i + 1][0] if i + 1 < len(self.regions) else len(self.ids)
        return self.ids[self.regions[i][1] : until]


def derive_markers(render: Render, *, is_special: IsToken, is_blank: IsToken) -> TurnMarkers:
    """Returns the markers of a chat template.

    Raises `OperatorError(chat_template_unsupported)` when it cannot render a plain conversation, or
    when no tokens of its own tell the assistant's turns from the others'.
    """
    plain = read(render, PLAIN)
    others = [c for c in (_try(render, s) for s in (CLOSED, LONG, WITH_SYSTEM)) if c is not None]
    with_tools = next((c for s in WITH_TOOLS if (c := _try(render, s)) is not None), None)

    openings = [_opening(render, arguments) for arguments in THINKING]
    opening = openings[0]  # as the template has it, without arguments
    core = opening[: _blank_from(opening, is_blank)]
    gaps = [plain.before(1), *([with_tools.before(3)] if with_tools is not None else [])]
    tails: dict[Tokens, set[Tokens]] = {}
    for gap in gaps:
        at, length = _locate_header(gap, core, is_special, is_blank)
        rest = gap[at + length :]
        found = tails.setdefault(tuple(gap[at : at + length]), {()})
        found.add(tuple(rest) if all(map(is_blank, rest)) else ())
    if tuple(core) in tails:
        tails[tuple(core)].add(tuple(opening[len(core) :]))

    ends = [_end(plain.after(1), is_special)]
    if others and others[0].slots == CLOSED:  # a template may end the last turn in another way
        ends.append(_end(others[0].after(1), is_special))
    if with_tools is not None:
        called = with_tools.after(1)
        if not any(_find_last(called, end) is not None for end in ends):
            ends.append(_end(called, is_special))

    markers = TurnMarkers(
        headers=tuple(
            Header(marker, tuple(sorted(found, key=len, reverse=True)))
            for marker, found in sorted(tails.items(), key=lambda item: -len(item[0]))
        ),
        ends=tuple(dict.fromkeys(ends)),
        openings=tuple(sorted({tuple(tokens) for tokens in openings} - {()})),
        message_start=_message_start(plain, core, is_special),
        chained=not all(map(is_blank, _after_last(plain.before(1), core))),
    )
    for tokens in (*(header.marker for header in markers.headers), *markers.ends):
        if not any(map(is_special, tokens)):
            raise unsupported("its assistant turns are set off by words that a user can type too")
    for conversation in (plain, *others, *([with_tools] if with_tools is not None else [])):
        _prove(markers, conversation, render)
    return markers


def read(render: Render, slots: Sequence[Slot]) -> Conversation:
    """Renders a conversation once for each slot, with that slot's other text, and compares."""
    ids = render(_messages(slots), False, {})
    regions = []
    for i in range(len(slots)):
        start, end = _difference(ids, render(_messages(slots, other=i), False, {}))
        if start >= end:
            raise unsupported(f"it leaves out the text of a message ({slots[i].texts[0]!r})")
        regions.append((start, end))
    return Conversation(tuple(slots), ids, tuple(regions))


def _try(render: Render, slots: tuple[Slot, ...]) -> Conversation | None:
    """Returns the conversation, or None where the template does not take such a one."""
    try:
        conversation = read(render, slots)
    except Exception:  # templates run arbitrary Jinja and raise what they like
        return None
    in_order = all(a[1] <= b[0] for a, b in pairwise(conversation.regions))
    return conversation if in_order else None


def _messages(slots: Sequence[Slot], other: int | None = None) -> list[Message]:
    return [slot.write(slot.texts[i == other]) for i, slot in enumerate(slots)]


def _opening(render: Render, arguments: Mapping[str, Any]) -> list[int]:
    """Returns the tokens of the generation prompt, empty where there is none."""
    try:
        without = render(_messages((USER,)), False, arguments)
        asked = render(_messages((USER,)), True, arguments)
    except Exception:  # arguments that this template does not take
        return []
    return asked[_common_prefix(asked, without) :]


def _locate_header(
    gap: list[int], core: list[int], is_special: IsToken, is_blank: IsToken
) -> tuple[int, int]:
    """Returns (start, length) of the header in the gap before an assistant's content.

    core: the generation prompt without its blank end, the header where the gap holds it. It may say
    more than a header of the past does (an open thought): then the header is what they share. Else
    it starts at the gap's last special token.
    """
    at = _find_last(gap, core)
    if at is not None:
        return at, len(core)
    end = _blank_from(gap, is_blank)
    for length in range(len(core) - 1, 0, -1):
        if gap[end - length : end] == core[:length] and any(map(is_special, core[:length])):
            return end - length, length
    special = [i for i, token in enumerate(gap[:end]) if is_special(token)]
    start = special[-1] if special else 0
    return start, end - start


def _message_start(plain: Conversation, core: list[int], is_special: IsToken) -> int | None:
    """Returns the special token that starts the assistant's messages and the user's alike."""
    if len(core) < 2 or not is_special(core[0]):
        return None
    return core[0] if core[0] in plain.after(1) and core[0] in plain.before(1) else None


def _after_last(gap: list[int], core: list[int]) -> list[int]:
    """Returns what follows the generation prompt in the gap: what the model writes itself."""
    at = _find_last(gap, core)
    return [] if at is None else gap[at + len(core) :]


def _blank_from(ids: Sequence[int], is_blank: IsToken) -> int:
    """Returns where the blank end of `ids` starts; a single token is never that."""
    end = len(ids)
    while end > 1 and is_blank(ids[end - 1]):
        end -= 1
    return end


def _end(gap: list[int], is_special: IsToken) -> Tokens:
    """Returns what closes a turn: the gap after its content, through the first special token."""
    special = next((i for i, token in enumerate(gap) if is_special(token)), len(gap) - 1)
    return tuple(gap[: special + 1])


def _prove(markers: TurnMarkers, conversation: Conversation, render: Render) -> None:
    if not all((*(h.marker for h in markers.headers), *markers.ends)):
        raise unsupported("assistant turns have no header or no end of their own")
    turns = [
        (s, len(conversation.ids) if e is None else e) for s, e in markers.find(conversation.ids)
    ]
    messages = _messages(conversation.slots)
    for i, (slot, (start, end)) in enumerate(
        zip(conversation.slots, conversation.regions, strict=True)
    ):
        if not slot.is_assistant:
            if any(s < end and start < e for s, e in turns):
                raise unsupported("what a user or a tool says is taken for the assistant's")
            continue
        holding = [(s, e) for s, e in turns if s < start and end <= e]
        if not holding or (slot is ASSISTANT and holding[0][1] != end):
            raise unsupported("its assistant turns are not set off by tokens of their own")
        asked = render(messages[:i], True, {})
        if conversation.ids[: len(asked)] == asked and holding[0][0] != len(asked) - 1:
            raise unsupported("a turn of the prompt does not start where its generation did")


def _difference(a: list[int], b: list[int]) -> Region:
    """Returns `[start, end)` of the part of `a` that `b` does not share."""
    start = _common_prefix(a, b)
    return start, len(a) - _common_prefix(a[start:][::-1], b[start:][::-1])


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def _find_last(ids: Sequence[int], pattern: Sequence[int]) -> int | None:
    if not pattern:
        return None
    spots = range(len(ids) - len(pattern), -1, -1)
    return next((i for i in spots if list(ids[i : i + len(pattern)]) == list(pattern)), None)
