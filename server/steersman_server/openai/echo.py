"""The echo: says in the response what was applied, without parsing what the engine wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from starlette.types import Message, Send

from ..admission.decision import Decision

_OBJECT = re.compile(rb"\A\s*\{")
_EVENT = re.compile(rb"^data: ?\{", re.MULTILINE)
_ERROR = re.compile(rb'\s*"(?:error"\s*:|type"\s*:\s*"error")')
"""How the first event begins where vLLM refuses a request only when its first token is due."""
_NOTHING_YET = re.compile(rb"\A\s*\Z")


class Echo:
    """An ASGI `send` that adds headers, and the `steering` field at the front of the first object.

    Only successful JSON objects and event streams are touched. What comes before the first object
    is held back, however it is cut into messages; what follows passes unread. A stream that begins
    with an error passes as it is: nothing was applied.
    """

    def __init__(
        self, decision: Decision, send: Send, began: Callable[[int], None] | None = None
    ) -> None:
        """began: told the response's status, before the client sees it; 500 for such a stream."""
        self._decision = decision
        self._began = began
        self._send = send
        self._start: Message | None = None
        """The response's start, held back until its length is known."""
        self._opening: re.Pattern[bytes] | None = None
        """What the field is put behind; None once that is done or not wanted."""
        self._held = b""

    async def __call__(self, message: Message) -> None:
        """Passes one ASGI message on, changed where needed."""
        if message["type"] == "http.response.start":
            succeeds = 200 <= message["status"] < 300
            opening = _opening_of(message) if succeeds else None
            if opening is not _EVENT:
                self._tell(message["status"])
            if succeeds:
                self._opening, self._start = opening, message
                return
        if message["type"] != "http.response.body" or (self._start is None and not self._opening):
            await self._send(message)
            return
        await self._body(message)

    async def _body(self, message: Message) -> None:
        body: bytes = self._held + message.get("body", b"")
        more = message.get("more_body", False)
        grown, failed = 0, False
        if self._opening is not None:
            found = self._opening.search(body)
            if more and self._may_still_open(body, found):
                self._held = body
                return
            if self._opening is _EVENT:
                failed = found is not None and _ERROR.match(body, found.end()) is not None
                self._tell(500 if failed else 200)
            if found is not None and not failed:
                field = self._field(empty=body[found.end() :].lstrip().startswith(b"}"))
                body, grown = body[: found.end()] + field + body[found.end() :], len(field)
            self._opening, self._held = None, b""
        start, self._start = self._start, None
        if start is not None:
            await self._send(start if failed else self._with_headers(start, grown))
        await self._send({**message, "body": body})

    def _may_still_open(self, body: bytes, found: re.Match[bytes] | None) -> bool:
        if self._opening is _EVENT:  # whether it is an error, the rest of its line says
            return found is None or b"\n" not in body[found.end() :]
        return found is None and _NOTHING_YET.match(body) is not None

    def _tell(self, status: int) -> None:
        if self._began is not None:
            self._began(status)

    def _field(self, *, empty: bool) -> bytes:
        field = json.dumps(self._decision.body_field())
        return f'"steering": {field}{"" if empty else ", "}'.encode()

    def _with_headers(self, start: Message, grown: int) -> Message:
        headers = []
        for key, value in start["headers"]:
            if key.lower() == b"content-length":
                value = str(int(value) + grown).encode()
            headers.append((key, value))
        own = self._decision.headers()
        headers += [(k.encode("ascii"), v.encode("ascii")) for k, v in own.items()]
        return {**start, "headers": headers}


def _opening_of(start: Message) -> re.Pattern[bytes] | None:
    for key, value in start["headers"]:
        if key.lower() == b"content-type":
            if value.startswith(b"text/event-stream"):
                return _EVENT
            if value.startswith(b"application/json"):
                return _OBJECT
    return None
