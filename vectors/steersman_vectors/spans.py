"""Where the assistant speaks: turn spans in a prompt, found by markers of the chat template.

The markers are derived once, at start, by rendering sentinel conversations and comparing the
tokens; no template family is known by name. A turn with content tokens `[s, e)` is steered on
`[s - 1, e)`: position s - 1 is the last header token, which predicts the first content token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .card import Scope
from .errors import OperatorError
from .plan import Turn

Message = dict[str, str]
Render = Callable[[list[Message], bool], list[int]]
"""(messages, add_generation_prompt) -> token ids, special tokens included."""

_USERS = ("Where is it?", "7 blue apples cost more")
_ASSISTANTS = ("Here, take 5", "Nobody knows that!")


@dataclass(frozen=True, slots=True)
class TurnMarkers:
    """Token sequences around the content of an assistant turn."""

    header: tuple[int, ...]
    """Tokens that announce assistant content, blank tail excluded."""
    tail: tuple[int, ...]
    """Blank tokens (a newline) between header and content; content may swallow them by merging."""
    end: tuple[int, ...]
    """Tokens that close the turn."""

    def find(self, prompt: Sequence[int]) -> tuple[Turn, ...]:
        """Returns the steered spans `[s - 1, e)` of the assistant turns in the prompt, ascending.

        A turn that the prompt leaves open (an assistant prefill, a generation header) ends at None.
        """
        ids = list(prompt)
        turns: list[Turn] = []
        at = 0
        while (found := _index(ids, self.header, at)) is not None:
            start = found + len(self.header)
            if tuple(ids[start : start + len(self.tail)]) == self.tail:
                start += len(self.tail)
            end = _index(ids, self.end, start)
            turns.append((start - 1, end))
            if end is None:
                break
            at = end + len(self.end)
        return tuple(turns)


def steered_turns(
    scope: Scope, prompt: Sequence[int], markers: TurnMarkers | None
) -> tuple[Turn, ...]:
    """Returns the turns of `scope` for a prompt of n tokens, the one being generated last.

    generation: [n - 1, inf). all: [0, inf). assistant: every assistant turn of the prompt, then
    [n - 1, inf); a prefill's turn is open and swallows it. Raises `OperatorError` when `assistant`
    is asked for and the chat template gave no markers.
    """
    last = len(prompt) - 1
    if scope == "all":
        return ((0, None),)
    if scope == "generation":
        return ((last, None),)
    if markers is None:
        raise unsupported("no markers were derived")
    turns = markers.find(prompt)
    if turns and turns[-1][1] is None:
        return turns
    return (*turns, (last, None))


def derive_markers(
    render: Render,
    *,
    is_special: Callable[[int], bool],
    is_blank: Callable[[int], bool],
) -> TurnMarkers:
    """Returns the markers of a chat template.

    Renders conversations that differ in one turn only; what stays equal around the difference is
    the template. Raises `OperatorError(chat_template_unsupported)` when the result does not find
    the turns it was derived from.
    """
    rendered = {
        (u, a): render([_user(_USERS[u]), _assistant(_ASSISTANTS[a]), _user("ok")], False)
        for u in (0, 1)
        for a in (0, 1)
    }
    contents = {
        (u, a): _difference(rendered[u, a], rendered[u, 1 - a]) for u in (0, 1) for a in (0, 1)
    }
    before = [rendered[u, 0][: contents[u, 0][0]] for u in (0, 1)]
    header = _common_suffix(before[0], before[1])
    opening = _generation_header(render)
    if opening and header[-len(opening) :] == opening:
        header = opening
    # NOTE: a template may write the last turn in another way than those before it (Qwen3 thinks).
    closed = [render([_user(_USERS[0]), _assistant(text)], False) for text in _ASSISTANTS]
    closed_end = _difference(closed[0], closed[1])[1]
    end = _common_prefix(rendered[0, 0][contents[0, 0][1] :], closed[0][closed_end:])
    if end and is_special(end[0]):
        end = end[:1]
    blank = len(header)
    while blank > 1 and is_blank(header[blank - 1]):
        blank -= 1
    markers = TurnMarkers(tuple(header[:blank]), tuple(header[blank:]), tuple(end))
    if not (any(map(is_special, markers.header)) and any(map(is_special, markers.end))):
        raise unsupported("its assistant turns are set off by words that a user can type too")
    _prove(markers, rendered, contents, render)
    return markers


def unsupported(reason: str) -> OperatorError:
    """Returns the error that says why scope `assistant` cannot be had, and what can."""
    return OperatorError(
        f"scope 'assistant' is not available for this model's chat template: {reason}. "
        "Use scope 'generation', which steers the answer being generated and needs no template",
        code="chat_template_unsupported",
        param="steering.scope",
    )


def _prove(
    markers: TurnMarkers,
    rendered: dict[tuple[int, int], list[int]],
    contents: dict[tuple[int, int], tuple[int, int]],
    render: Render,
) -> None:
    if not markers.header or not markers.end:
        raise unsupported("assistant turns have no header or no end of their own")
    for key, ids in rendered.items():
        start, end = contents[key]
        if markers.find(ids) != ((start - 1, end),):
            raise unsupported("its assistant turns are not set off by tokens of their own")
    if markers.find(render([_user(_USERS[0])], False)):
        raise unsupported("a user turn is taken for an assistant turn")


def _generation_header(render: Render) -> list[int]:
    without = render([_user(_USERS[0])], False)
    with_prompt = render([_user(_USERS[0])], True)
    if with_prompt[: len(without)] != without:
        return []
    return with_prompt[len(without) :]


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _difference(a: list[int], b: list[int]) -> tuple[int, int]:
    """Returns `[start, end)` of the part of `a` that `b` does not share."""
    start = len(_common_prefix(a, b))
    same_after = len(_common_suffix(a[start:], b[start:]))
    return start, len(a) - same_after


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> list[int]:
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return list(a[:n])


def _common_suffix(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return _common_prefix(a[::-1], b[::-1])[::-1]


def _index(ids: list[int], pattern: tuple[int, ...], start: int) -> int | None:
    """Returns where `pattern` next occurs in `ids` at or after `start`, or None."""
    last = len(ids) - len(pattern)
    while True:
        try:
            start = ids.index(pattern[0], start)
        except ValueError:
            return None
        if start > last:
            return None
        if tuple(ids[start : start + len(pattern)]) == pattern:
            return start
        start += 1
