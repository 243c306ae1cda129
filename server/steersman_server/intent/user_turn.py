"""The latest user turn of a request's body, whichever generation route it came by.

Total functions: any JSON gives a turn or None. Only the ends of long texts and lists are looked at
(`bounds.py`), so that the work does not grow with the body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .bounds import CONTEXT_TURNS, cut, cut_context

MAX_MESSAGES = 256
"""How far back into a conversation is looked."""
MAX_PARTS = 16
"""Of a message in parts, or of a list of prompts: that many at its beginning and at its end."""
USER_ROLES = frozenset({"user", "human"})
TEXT_PARTS = frozenset({None, "text", "input_text"})
FIELDS = {
    "/v1/completions": ("prompt",),
    "/v1/responses": ("input",),
    "/v1/systemone": ("state",),
    "/generative_scoring": ("query",),
}
ANY_FIELD = ("messages", "input", "prompt", "query")
"""For the other routes: chat in its dialects, and `/invocations`, which may be any of them."""


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the user said last, and what they said before it."""

    text: str
    context: tuple[str, ...] = ()
    """Earlier user turns of the conversation, newest last."""


def latest_user_turn(path: str, payload: Mapping[str, Any]) -> UserTurn | None:
    """Returns the latest user turn; None where there is no user's text, as in prompts of token ids.

    A request of several prompts or conversations is one turn: their latest turns, a line each.
    """
    for field in FIELDS.get(path, ANY_FIELD):
        value = payload.get(field)
        if isinstance(value, str):
            return _turn([value])
        if isinstance(value, list) and value:
            return _turn_of_list(value)
    return None


def _turn_of_list(items: list[Any]) -> UserTurn | None:
    if isinstance(items[0], list):  # several conversations
        latest = (next(_user_texts(each), None) for each in _ends(items) if isinstance(each, list))
        return _turn([_joined([text for text in latest if text is not None])])
    if isinstance(items[0], str):  # several prompts
        return _turn([_joined([each for each in _ends(items) if isinstance(each, str)])])
    return _turn(list(islice(_user_texts(items), 1 + CONTEXT_TURNS)))


def _turn(newest_first: list[str]) -> UserTurn | None:
    if not newest_first or _blank(newest_first[0]):
        return None
    earlier = tuple(cut_context(text) for text in reversed(newest_first[1:]))
    return UserTurn(cut(newest_first[0]), earlier)


def _user_texts(messages: list[Any]) -> Iterator[str]:
    """Yields what users wrote, newest first; a turn of tool results alone is not theirs."""
    for message in islice(reversed(messages), MAX_MESSAGES):
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        if isinstance(role, str) and role in USER_ROLES:
            text = _text(message.get("content"))
            if not _blank(text):
                yield text


def _text(content: Any) -> str:
    if isinstance(content, str):
        return cut(content)
    if not isinstance(content, list):
        return ""
    return _joined([text for part in _ends(content) if (text := _part_text(part)) is not None])


def _part_text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return None
    kind, text = part.get("type"), part.get("text")
    known = kind is None or (isinstance(kind, str) and kind in TEXT_PARTS)
    return text if known and isinstance(text, str) else None


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _joined(texts: list[str]) -> str:
    return "\n".join(cut(text) for text in texts)


def _ends(items: list[Any]) -> Sequence[Any]:
    if len(items) <= 2 * MAX_PARTS:
        return items
    return [*items[:MAX_PARTS], *items[-MAX_PARTS:]]
