"""Errors in OpenAI's shape."""

from __future__ import annotations

import json

from steersman_vectors.errors import CallerError, SteersmanError


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


def error_headers(error: SteersmanError) -> dict[str, str]:
    """Returns headers that keep clients from repeating what cannot succeed."""
    return {"x-should-retry": "false"} if isinstance(error, CallerError) else {}
