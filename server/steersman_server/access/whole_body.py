"""A request's body, read to its end within limits of size and time."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

from steersman_vectors.errors import CallerError

MAX_BODY_BYTES = 16 * 1024 * 1024
"""What is parsed holds up the whole process meanwhile: at most some tenths of a second."""
BODY_S = 120.0
"""Longest that a client may take to send it."""


class BodyTooLargeError(CallerError):
    """More than is read."""

    http_status = 413


class BodyTooSlowError(CallerError):
    """The rest did not come."""

    http_status = 408


async def read_whole(receive: Receive, limit: int, timeout_s: float = BODY_S) -> bytes | None:
    """Returns a request's body; None when the client went away before its end.

    Raises `BodyTooLargeError` or `BodyTooSlowError`.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise BodyTooLargeError(
                        f"the body has more than {limit} bytes; operators allow more with "
                        "--max-body-mib",
                        code="body_too_large",
                    )
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError as error:
        raise BodyTooSlowError(
            f"the body did not come within {timeout_s:g} s", code="body_too_slow"
        ) from error


def replay(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives the body once and then what the client sends (disconnect)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
