"""The echo: says in the response what was applied, without parsing what the engine wrote."""

from __future__ import annotations

import json

from starlette.types import Message, Send

from ..admission.decision import Decision

_OBJECT = b"{"
_EVENT = b"data: {"


class Echo:
    """An ASGI `send` that adds headers, and the `steering` field at the front of the first object.

    Only successful JSON objects and event streams are touched; bytes that follow pass unread.
    """

    def __init__(self, decision: Decision, send: Send) -> None:
        self._decision = decision
        self._send = send
        self._start: Message | None = None
        self._marker = b""
        """What the field is put behind; empty once that is done or not wanted."""

    async def __call__(self, message: Message) -> None:
        """Passes one ASGI message on, changed where needed."""
        if message["type"] == "http.response.start" and 200 <= message["status"] < 300:
            self._marker = _marker_of(message)
            self._start = message
            return
        if message["type"] != "http.response.body" or (self._start is None and not self._marker):
            await self._send(message)
            return
        await self._body(message)

    async def _body(self, message: Message) -> None:
        body: bytes = message.get("body", b"")
        start, self._start = self._start, None
        inserted = b""
        if self._marker == _OBJECT and not body.startswith(_OBJECT):
            self._marker = b""
        if self._marker and self._marker in body:
            head, marker, tail = body.partition(self._marker)
            inserted = self._field(empty=tail.lstrip().startswith(b"}"))
            body = head + marker + inserted + tail
            self._marker = b""
        if start is not None:
            await self._send(self._with_headers(start, len(inserted)))
        await self._send({**message, "body": body})

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


def _marker_of(start: Message) -> bytes:
    for key, value in start["headers"]:
        if key.lower() == b"content-type":
            if value.startswith(b"text/event-stream"):
                return _EVENT
            if value.startswith(b"application/json"):
                return _OBJECT
    return b""
