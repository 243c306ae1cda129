"""Errors in OpenAI's shape."""

from __future__ import annotations

import json

from steersman_vectors.errors import CallerError, OperatorError, SteersmanError


def error_body(error: SteersmanError) -> bytes:
    """Returns `{"error": {"message", "type", "param", "code"}}` as JSON."""
    kind = "invalid_request_error" if isinstance(error, CallerError) else "server_error"
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
    return {"x-should-retry": "false"} if isinstance(error, CallerError) else {}
