"""Errors in OpenAI's shape."""

from __future__ import annotations

import json
import math

from starlette.types import Send

from steersman_vectors.errors import CallerError, OperatorError, SteersmanError

from ..admission.refusals import TooManyRequestsError

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""By HTTP status; for the rest of a caller's errors `invalid_request_error`."""


def error_body(error: SteersmanError) -> bytes:
    """Returns `{"error": {"message", "type", "param", "code"}}` as JSON."""
    kind = "server_error"
    if isinstance(error, CallerError):
        kind = TYPES.get(error.http_status, "invalid_request_error")
    return json.dumps(
        {
            "error": {
                "message": error.message,
                "type": kind,
                "param": error.param,
                "code": error.code,
            }
        }
    ).encode()


def not_enabled() -> OperatorError:
    """Returns the error of a server whose engine runs without steering."""
    return OperatorError(
        "this server runs without steering; start it with `steersman serve`",
        code="steering_not_enabled",
        param="steering",
    )


def error_headers(error: SteersmanError) -> dict[str, str]:
    """Returns headers that keep clients from repeating what cannot succeed."""
    if isinstance(error, TooManyRequestsError):
        return {"retry-after": str(math.ceil(error.retry_after_s))}
    headers = {"x-should-retry": "false"} if isinstance(error, CallerError) else {}
    if error.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


async def send_error(send: Send, error: SteersmanError) -> None:
    """Answers an ASGI request with the error."""
    body = error_body(error)
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **error_headers(error),
    }
    await send(
        {
            "type": "http.response.start",
            "status": error.http_status,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
