"""The gate as ASGI middleware: no path answers to whom it is not for.

It leaves who is calling in the ASGI scope, where the steering edge and the admin routes find it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from steersman_vectors.errors import CallerError, SteersmanError

from ..configuration import Configuration
from ..monitor.catalogue import TURNED_AWAY
from ..openai.errors import not_enabled, send_error
from .caller import check_role, find_caller, find_operator
from .routes import RouteClass, classify
from .settings import AccessSettings
from .whole_body import MAX_BODY_BYTES, read_whole, replay

CALLER = "steersman.caller"
OPERATOR = "steersman.operator"
BODY = "steersman.body"
"""The whole body, for those who need not read it again."""
MAX_ADMIN_BYTES = 40 * 1024 * 1024
"""Vector files come by the admin API; their own limit is a little lower, and tells the remedy."""
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class Gatekeeper(Protocol):
    """What the gate needs from the running server."""

    @property
    def configuration(self) -> Configuration:
        """Returns tenants and keys as they are now."""
        ...


class AccessMiddleware:
    """Classes each path, and lets in whom it is for."""

    def __init__(
        self, app: ASGIApp, settings: AccessSettings, service: Callable[[], Gatekeeper | None],
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:  # fmt: skip
        self.app = app
        self.settings = settings
        self.service = service
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "closed"})
            return
        if scope["type"] == "http":
            path = route_path(scope)
            route_class = classify(path, self.settings.opened, self.settings.public)
            if route_class is not RouteClass.OPEN:
                try:
                    entered = await self._enter(scope, receive, path, route_class)
                except SteersmanError as error:
                    TURNED_AWAY.labels(error.code).inc()
                    await send_error(send, error)
                    return
                if entered is None:
                    return  # the client went away while it sent the body
                scope, receive = entered
        await self.app(scope, receive, send)

    async def _enter(
        self, scope: Scope, receive: Receive, path: str, route_class: RouteClass
    ) -> tuple[Scope, Receive] | None:
        """Returns what the app is given: who is calling, and the whole body.

        A body may come long after its headers, and keys and limits change meanwhile: who sends it
        is asked before it is read, and again once it is there. Raises `SteersmanError`.
        """
        let_in = self._who(scope, path, route_class)
        found = let_in()
        if scope.get("method") in BODILESS:
            return {**scope, **found}, receive
        limit = self.max_body_bytes
        if route_class is RouteClass.ADMIN:
            limit = max(limit, MAX_ADMIN_BYTES)
        body = await read_whole(receive, limit)
        if body is None:
            return None
        return {**scope, **let_in(), BODY: body}, replay(body, receive)

    def _who(self, scope: Scope, path: str, route_class: RouteClass) -> Callable[[], Scope]:
        """Returns what finds out who is calling; it and this raise `SteersmanError`."""
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

        def caller() -> Scope:
            configuration, now = service.configuration, datetime.now(UTC)
            return {CALLER: find_caller(self.settings, configuration, headers, now)}

        def operator() -> Scope:
            configuration, now = service.configuration, datetime.now(UTC)
            found = find_operator(self.settings, configuration, headers, now)
            check_role(found, "admin" if route_class is RouteClass.OPENED else "viewer")
            return {OPERATOR: found}

        return caller if route_class is RouteClass.TENANT else operator


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
