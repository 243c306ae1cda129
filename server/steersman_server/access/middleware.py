"""The gate as ASGI middleware: no path answers to whom it is not for.

It leaves who is calling in the ASGI scope, where the steering edge and the admin routes find it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from steersman_vectors.errors import CallerError, SteersmanError

from ..admission.inbound import Caller
from ..configuration import Configuration
from ..openai.errors import not_enabled, send_error
from .caller import check_role, find_caller, find_operator
from .routes import RouteClass, classify
from .settings import AccessSettings

CALLER = "steersman.caller"
FIND_CALLER = "steersman.find_caller"
"""Finds the caller anew: a body may come long after the headers, and keys and limits change."""
OPERATOR = "steersman.operator"


class Gatekeeper(Protocol):
    """What the gate needs from the running server."""

    @property
    def configuration(self) -> Configuration:
        """Returns tenants and keys as they are now."""
        ...


class AccessMiddleware:
    """Classes each path, and lets in whom it is for."""

    def __init__(
        self, app: ASGIApp, settings: AccessSettings, service: Callable[[], Gatekeeper | None]
    ) -> None:
        self.app = app
        self.settings = settings
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "closed"})
            return
        if scope["type"] == "http":
            try:
                scope = self._let_in(scope)
            except SteersmanError as error:
                await send_error(send, error)
                return
        await self.app(scope, receive, send)

    def _let_in(self, scope: Scope) -> Scope:
        """Returns the scope with who is calling in it; raises `SteersmanError`."""
        path = route_path(scope)
        route_class = classify(path, self.settings.opened, self.settings.public)
        if route_class is RouteClass.OPEN:
            return scope
        if route_class is RouteClass.CLOSED:
            raise RouteClosedError(
                f"{path[:200]} is not served here. If it is a route of vLLM's that operators need, "
                f"start the server with --open-route {path[:200]}",
                code="route_closed",
            )
        service = self.service()
        if service is None:
            raise not_enabled()
        headers = headers_of(scope)

        def caller() -> Caller:
            return find_caller(self.settings, service.configuration, headers, datetime.now(UTC))

        if route_class is RouteClass.TENANT:
            return {**scope, CALLER: caller(), FIND_CALLER: caller}
        operator = find_operator(self.settings, service.configuration, headers, datetime.now(UTC))
        check_role(operator, "admin" if route_class is RouteClass.OPENED else "viewer")
        return {**scope, OPERATOR: operator}


class RouteClosedError(CallerError):
    """Nothing answers there."""

    http_status = 404


def route_path(scope: Scope) -> str:
    """Returns the path that the app's routes are matched against, as Starlette finds it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root or not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if rest.startswith("/") or not rest else path


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Returns the headers by lower-case name; of one that comes twice the first."""
    found: dict[str, str] = {}
    for key, value in scope["headers"]:
        found.setdefault(key.decode("latin-1").lower(), _text(value))
    return found


def _text(value: bytes) -> str:
    try:
        return value.decode()  # a key may have other letters than English
    except UnicodeDecodeError:
        return value.decode("latin-1")
