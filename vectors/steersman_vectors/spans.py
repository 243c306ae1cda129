"""Where the assistant speaks: turn spans in a prompt, found by markers of the chat template.

A turn with content tokens `[s, e)` is steered on `[s - 1, e)`: position s - 1 is the last header
token, which predicts the first content token. `turn_markers.py` derives the markers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .card import Scope
from .errors import OperatorError
from .plan import Turn

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """Tokens that announce assistant content."""

    marker: Tokens
    tails: tuple[Tokens, ...] = ((),)
    """Blank tokens (a newline) before the content, longest first; content may merge with them."""

    def content_at(self, ids: Sequence[int], found: int) -> int:
        """Returns where the content starts after this header at `found`."""
        start = found + len(self.marker)
        for tail in self.tails:
            if tuple(ids[start : start + len(tail)]) == tail:
                return start + len(tail)
        return start


@dataclass(frozen=True, slots=True)
class TurnMarkers:
    """Token sequences around the content of assistant turns."""

    headers: tuple[Header, ...]
    """Longest first; more than one where an answer to a tool is announced in another way."""
    ends: tuple[Tokens, ...]
    """Tokens that close a turn; more than one where tool calls are closed in another way."""
    openings: tuple[Tokens, ...] = ()
    """Generation prompts: a header, perhaps with what the template puts into the model's mouth."""
    message_start: int | None = None
    """Token that starts every message, where there is one: it ends a turn whose end is unknown."""
    chained: bool = False
    """Whether the model writes several messages in one turn, and their headers itself."""

    def find(self, prompt: Sequence[int]) -> tuple[Turn, ...]:
        """Returns the steered spans `[s - 1, e)` of the assistant turns in the prompt, ascending.

        A turn that the prompt leaves open (an assistant prefill, a generation header) ends at None.
        Takes one pass over the prompt.
        """
        ids = list(prompt)
        first_tokens = {marker[0] for marker in (*(h.marker for h in self.headers), *self.ends)}
        if self.message_start is not None:
            first_tokens.add(self.message_start)
        turns: list[Turn] = []
        header_at: int | None = None
        """Where the header of the turn that is open starts; None between turns."""
        start = after = 0
        """First content token of the open turn; first token after the last marker."""
        for at in (i for i, token in enumerate(ids) if token in first_tokens):
            if at < after:
                continue
            if (header := self._header_at(ids, at)) is not None:
                if self.chained and header_at is None and turns and at == after:
                    start = turns.pop()[0] + 1
                else:
                    # NOTE: also inside a turn: of several tool results in a row, each of which ends
                    # like a header, only the last is followed by the assistant.
                    start = header.content_at(ids, at)
                header_at, after = at, header.content_at(ids, at)
            elif header_at is not None and (end := self._end_at(ids, at)) is not None:
                turns.append((start - 1, at))
                header_at, after = None, at + len(end)
            elif header_at is not None and ids[at] == self.message_start:
                # Closed in a way that the sentinels did not show: by one token, as others are.
                turns.append((start - 1, max(start, at - 1)))
                header_at, after = None, at + 1
        if header_at is not None:
            # A generation prompt may go on after the header (an empty thought): the turn starts
            # where the model does. What is no generation prompt is a prefill, the assistant's own.
            generates = tuple(ids[header_at:]) in self.openings and start > header_at
            turns.append((len(ids) - 1 if generates else start - 1, None))
        return tuple(turns)

    def _header_at(self, ids: list[int], at: int) -> Header | None:
        return next((h for h in self.headers if _is_at(ids, at, h.marker)), None)

    def _end_at(self, ids: list[int], at: int) -> Tokens | None:
        return next((end for end in self.ends if _is_at(ids, at, end)), None)


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


def unsupported(reason: str) -> OperatorError:
    """Returns the error that says why scope `assistant` cannot be had, and what can."""
    return OperatorError(
        f"scope 'assistant' is not available for this model's chat template: {reason}. "
        "Use scope 'generation', which steers the answer being generated and needs no template",
        code="chat_template_unsupported",
        param="steering.scope",
    )


def _is_at(ids: list[int], at: int, marker: Tokens) -> bool:
    return tuple(ids[at : at + len(marker)]) == marker
