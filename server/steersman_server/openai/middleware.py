"""The steering edge as ASGI middleware, inside authentication, around every generation route.

In: takes the `steering` field out of the body, has it decided, and leaves the plan in a context
variable that the engine client's `generate` picks up. Out: adds headers, and the `steering` field
to the JSON body or to the first event of a stream. One piece of code for every route, so that no
route is forgotten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steersman_vectors.errors import CallerError, SteersmanError
from steersman_vectors.plan import EXTRA_ARGS_KEY

from ..admission.decision import Decision
from .echo import Echo
from .errors import error_body, error_headers, not_enabled

GENERATION_ROUTES = frozenset(
    {
        "/cohere/v2/chat",
        "/generative_scoring",
        "/inference/v1/generate",
        "/invocations",
        "/v1/chat/completions",
        "/v1/chat/completions/batch",
        "/v1/completions",
        "/v1/messages",
        "/v1/responses",
        "/v1/systemone",
    }
)
KEYED_PREFIXES = ("/v1", "/v2", "/inference", "/cohere")
"""Where vLLM asks for --api-key; its other routes answer without."""
OWN_PREFIX = "/admin/"


class Admission(Protocol):
    """What the middleware needs from the running server."""

    async def admit(self, field: Any) -> Decision:
        """Returns the decision for a `steering` field, its vectors resident; or raises."""
        ...

    def running(self, decision: Decision) -> Any:
        """Returns a context manager under which `generate` uses the decision's plan."""
        ...


_FORM_FIELD = re.compile(rb'form-data;[^\r\n]*\bname="?steering\b', re.IGNORECASE)
"""A part of a form, as audio is uploaded in."""


class SteeringMiddleware:
    """Pure ASGI: nothing is buffered but the request body and the first piece of the response."""

    def __init__(
        self, app: ASGIApp, admission: Callable[[], Admission | None], *, has_key: bool = False
    ) -> None:
        self.app = app
        self.admission = admission
        self.has_key = has_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection; other than JSON by POST passes through."""
        path = _path(scope) if scope["type"] == "http" else ""
        generates = path in GENERATION_ROUTES
        if path == "" or scope["method"] != "POST" or not (generates or _may_steer(scope, path)):
            await self.app(scope, receive, send)
            return
        if generates and self.has_key and not path.startswith(KEYED_PREFIXES):
            await _refuse(send, _without_key(path))
            return
        body = await _read_body(receive)
        if not generates:
            await self._other_route(scope, body, receive, send, path)
            return
        admission = self.admission()
        try:
            field, body = take_field(body)
            if admission is None and field:
                raise not_enabled()
            decision = None if admission is None else await admission.admit(field)
        except SteersmanError as error:
            await _refuse(send, error)
            return
        scope = {**scope, "headers": _with_length(scope["headers"], len(body))}
        if admission is None or decision is None:
            await self.app(scope, _replay(body, receive), send)
            return
        with admission.running(decision):
            await self.app(scope, _replay(body, receive), Echo(decision, send))

    async def _other_route(
        self, scope: Scope, body: bytes, receive: Receive, send: Send, path: str
    ) -> None:
        """Passes the request on, unless it asks for steering where there is none."""
        try:
            field, _ = take_field(body)
            if field or (_has_type(scope, b"multipart/form-data") and _FORM_FIELD.search(body)):
                raise CallerError(
                    f"{path} cannot be steered; remove 'steering'",
                    code="steering_unsupported",
                    param="steering",
                )
        except SteersmanError as error:
            await _refuse(send, error)
            return
        await self.app(scope, _replay(body, receive), send)


def _may_steer(scope: Scope, path: str) -> bool:
    """Returns whether the body may hold a `steering` field that nobody would look at."""
    if path.startswith(OWN_PREFIX):
        return False
    return _has_type(scope, b"json") or _has_type(scope, b"multipart/form-data")


def _has_type(scope: Scope, part: bytes) -> bool:
    return any(k.lower() == b"content-type" and part in v.lower() for k, v in scope["headers"])


def _without_key(path: str) -> CallerError:
    return CallerError(
        f"{path} is closed: vLLM does not ask for --api-key there. Use a route below /v1",
        code="route_closed",
    )


def take_field(body: bytes) -> tuple[Any, bytes]:
    """Returns (the `steering` field or None, the body without it).

    A body that is no JSON object is left to the route. Raises `CallerError` when a request tries to
    bring a plan of its own, or asks for what cannot be steered exactly.
    """
    plain = json.detect_encoding(body) == "utf-8" and b"\\u" not in body
    if plain and b"steering" not in body:
        return None, body
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None, body
    if not isinstance(payload, dict):
        return None, body
    xargs = payload.get("vllm_xargs")
    if isinstance(xargs, dict) and EXTRA_ARGS_KEY in xargs:
        raise CallerError(
            f"'vllm_xargs.{EXTRA_ARGS_KEY}' is reserved; use the 'steering' field",
            code="steering_not_allowed",
            param="vllm_xargs",
        )
    if "steering" not in payload:
        return None, body
    field = payload.pop("steering")
    if isinstance(field, dict):
        _check_beside(field, payload)
    return field, json.dumps(payload).encode()


def _check_beside(field: dict[str, Any], payload: dict[str, Any]) -> None:
    """Refuses what a steered request may not ask for beside its steering."""
    if payload.get("use_beam_search"):
        raise CallerError(
            "steering is not available with beam search; remove 'use_beam_search' or 'steering'",
            code="steering_unsupported",
            param="use_beam_search",
        )
    arguments = payload.get("chat_template_kwargs")
    inside = isinstance(arguments, dict) and arguments.get("chat_template")
    if (payload.get("chat_template") or inside) and field.get("scope") not in ("generation", "all"):
        raise CallerError(
            "assistant turns are found by the server's chat template, and this request brings its "
            "own. Remove 'chat_template', or set 'steering.scope' to 'generation' or 'all'",
            code="steering_unsupported",
            param="chat_template",
        )


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives the body once and then what the client sends (disconnect)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [
        (k, v) for k, v in headers if k.lower() not in (b"content-length", b"transfer-encoding")
    ]
    return [*kept, (b"content-length", str(length).encode())]


async def _refuse(send: Callable[[Message], Awaitable[None]], error: SteersmanError) -> None:
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
