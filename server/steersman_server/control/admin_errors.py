"""Errors of the admin API: every refusal in OpenAI's shape, FastAPI's own among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from steersman_vectors.errors import CallerError, SteersmanError

from ..openai.errors import error_body, error_headers

STATUS = {
    "registry_conflict": 409,
    "version_in_use": 409,
    "nothing_to_roll_back": 409,
    "already_exists": 409,
    "flag_in_use": 409,
    "vector_too_large": 409,
    "file_too_large": 413,
    "vector_not_found": 404,
    "revision_not_found": 404,
    "not_found": 404,
}
"""HTTP status of an error's code where the caller's next step is not to mend the request."""
MAX_SHOWN = 80
SECRETS = frozenset({"key_id", "key"})
"""Where somebody may put a whole key by mistake: what was got there is not repeated."""


class ErrorDetail(BaseModel):
    """What went wrong: `code` is stable, `message` is for people."""

    message: str
    type: Literal[
        "authentication_error", "permission_error", "invalid_request_error", "server_error",
        "rate_limit_error",
    ]  # fmt: skip
    param: str | None
    code: str


class ErrorAnswer(BaseModel):
    """OpenAI's shape of an error."""

    error: ErrorDetail


class MethodNotAllowedError(CallerError):
    """The path exists, and does not take this method."""

    http_status = 405


class NoSuchRouteError(CallerError):
    """The admin API has no such path."""

    http_status = 404


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the `responses` of a route that may refuse with these, beside what all may say."""
    said = {
        400: "The request is wrong: the message says what, what was got and what is expected",
        401: "No operator's key, or one that is unknown, revoked or expired",
        403: "The key's role is too low, or this server has no operator's key",
        404: "There is no such thing; the message names those that there are",
        409: "It cannot be done as things are now",
        503: "The registry does not answer, or not as expected",
    }
    always = (400, 401, 403, 503)
    return {k: {"model": ErrorAnswer, "description": said[k]} for k in (*always, *statuses)} | {
        # Also keeps FastAPI from promising its own 422, which nobody gets.
        "4XX": {"model": ErrorAnswer, "description": "Any other refusal"}
    }


def answer_error(error: SteersmanError, headers: Mapping[str, str] | None = None) -> Response:
    """Returns the response that says it."""
    status = STATUS.get(error.code, error.http_status)
    all_headers = {**error_headers(error), **(headers or {})}
    return Response(error_body(error), status, all_headers, media_type="application/json")


def of_validation(error: RequestValidationError, known: Sequence[str]) -> CallerError:
    """Returns FastAPI's first complaint in our words. known: the keys that the body has."""
    first: dict[str, Any] = error.errors()[0]
    where, *path = map(str, first["loc"])
    param = ".".join(path)[:MAX_SHOWN] or where
    if first["type"] == "extra_forbidden":
        expected = f"; expected: {', '.join(known)}" if len(path) == 1 and known else ""
        return CallerError(f"unknown key {param!r}{expected}", code="unknown_key", param=param)
    if first["type"] == "json_invalid":
        return CallerError(
            f"the body is no JSON: {first['ctx']['error']}, at character {param}",
            code="invalid_request",
        )
    message = f"invalid {where}: {param}: {str(first['msg']).removeprefix('Value error, ')[:500]}"
    got = first.get("input")
    if first["type"] == "missing":
        message = f"{param!r} is missing in the {where}"
        if where == "body" and not path:
            message = "the body is missing, expected a JSON object"
    elif isinstance(got, bytes):
        message = "the body was not read; send it as JSON, with content-type: application/json"
    elif not isinstance(got, dict | list) and not SECRETS.intersection(path):
        message += f", got {str(got)[:MAX_SHOWN]!r}"
    return CallerError(message, code="invalid_request", param=param)


def of_http(error: HTTPException) -> SteersmanError:
    """Returns what FastAPI refuses by status alone, in our words."""
    return CallerError(
        f"the body cannot be read: {error.detail}; expected a JSON object in UTF-8",
        code="invalid_request",
    )


def of_query(request: Request, known: Sequence[str]) -> CallerError | None:
    """Returns the refusal of a query parameter that nobody would look at; None without any."""
    unknown = sorted(set(request.query_params) - set(known))
    if not unknown:
        return None
    return CallerError(
        f"unknown query parameter {unknown[0][:MAX_SHOWN]!r}; expected: "
        f"{', '.join(known) or 'none'}",
        code="unknown_parameter",
        param=unknown[0][:MAX_SHOWN],
    )


class NoAdminRoute:
    """Answers below `/admin/v1/` what no route does: another path, or another method."""

    # NOTE: vLLM lists routes by their endpoint's name when it starts.
    __name__ = "no_admin_route"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request, whatever its method."""
        path, method = scope["path"], scope["method"]
        allowed = sorted(_methods(scope["app"].routes, scope))
        if allowed:
            error: CallerError = MethodNotAllowedError(
                f"{path[:200]} takes {', '.join(allowed)}, got {method[:20]}",
                code="method_not_allowed",
            )
            answer = answer_error(error, {"allow": ", ".join(allowed)})
        else:
            error = NoSuchRouteError(
                f"the admin API has no {path[:200]}; /openapi.json lists what it has",
                code="route_not_found",
            )
            answer = answer_error(error)
        await answer(scope, receive, send)


def _methods(routes: Sequence[BaseRoute], scope: Scope) -> set[str]:
    """Returns the methods that some route takes at this path."""
    found: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is Match.PARTIAL:
            found |= set(getattr(route, "methods", None) or ())
    return found
