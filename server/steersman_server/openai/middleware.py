"""The steering edge as ASGI middleware, inside the gate, around every generation route.

In: takes the `steering` field out of the body, has it decided, and leaves the plan in a context
variable that the engine client's `generate` picks up. Out: adds headers, and the `steering` field
to the JSON body or to the first event of a stream. One piece of code for every route, so that no
route is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol
from uuid import uuid4

from starlette.types import ASGIApp, Receive, Scope, Send

from steersman_vectors.errors import CallerError, SteersmanError

from ..access.middleware import BODY, CALLER, route_path
from ..access.routes import GENERATION_ROUTES, TENANT_ROUTES
from ..access.whole_body import MAX_BODY_BYTES, read_whole, replay
from ..admission.admitted import Admitted, Headers
from ..admission.inbound import LOCAL_CALLER, Caller
from .body import Body, read_body
from .echo import Echo
from .errors import not_enabled, send_error
from .models import ModelList

MODELS = "/v1/models"
REQUEST_ID = b"x-request-id"
"""vLLM's ids of requests are made of this header where there is one."""


class Admission(Protocol):
    """What the edge needs from the running server."""

    @property
    def models(self) -> Collection[str]:
        """Returns the names of the base model."""
        ...

    def profiles_of(self, caller: Caller) -> Collection[str]:
        """Returns the profiles that a caller may choose."""
        ...

    async def admit(
        self, caller: Caller, path: str, body: Body, request_id: str, headers: Headers
    ) -> Admitted:
        """Returns what was decided, the vectors resident and a place taken; or raises."""
        ...

    def refuse(self, caller: Caller, path: str, error: SteersmanError, request_id: str) -> None:
        """Counts a request that is refused before anything is decided, and writes its line."""
        ...

    def running(self, admitted: Admitted) -> AbstractContextManager[Callable[[int], None]]:
        """Returns a context under which `generate` uses the plan; gives the place back.

        It gives a function to be told the response's status.
        """
        ...


_FORM_FIELD = re.compile(rb'\bname="?steering\b', re.IGNORECASE)
"""In the header of a form's part, as audio is uploaded in."""


class SteeringMiddleware:
    """Pure ASGI: nothing is buffered but the request body and the first piece of the response."""

    def __init__(
        self, app: ASGIApp, admission: Callable[[], Admission | None],
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:  # fmt: skip
        self.app = app
        self.admission = admission
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection; what cannot be steered passes through."""
        path = route_path(scope) if scope["type"] == "http" else ""
        method = scope.get("method")
        if path == MODELS and method == "GET":
            await self.app(scope, receive, self._model_list(scope, send))
        elif method == "POST" and path in GENERATION_ROUTES:
            await self._generation(scope, receive, send, path)
        elif method == "POST" and _may_steer(scope, path):
            await self._other_route(scope, receive, send, path)
        else:
            await self.app(scope, receive, send)

    async def _generation(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        admission = self.admission()
        try:
            data = await self._body(scope, receive)
            if data is None:
                return
            caller: Caller = scope.get(CALLER, LOCAL_CALLER)
            if admission is None:
                body = read_body(data)
                if body.steering:
                    raise not_enabled()
            else:
                # NOTE: a profile that is not for this caller goes on to vLLM, which does not know
                # it: the answer is the same as for one that does not exist.
                scope, request_id = _with_request_id(scope)
                try:
                    profiles = partial(admission.profiles_of, caller)
                    body = read_body(data, admission.models, profiles)
                except SteersmanError as error:
                    admission.refuse(caller, path, error, request_id)
                    raise
                admitted = await admission.admit(caller, path, body, request_id, scope["headers"])
        except SteersmanError as error:
            await send_error(send, error)
            return
        scope = {**scope, "headers": _with_length(scope["headers"], len(body.data))}
        again = replay(body.data, receive)
        if admission is None:
            await self.app(scope, again, send)
            return
        with admission.running(admitted) as began:
            await self.app(scope, again, Echo(admitted.decision, send, began))

    async def _other_route(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Passes the request on, unless it asks for steering where there is none."""
        admission = self.admission()
        data = None
        try:
            data = await self._body(scope, receive)
            if data is None:
                return
            steering = read_body(data).steering
            if steering or (_has_type(scope, b"multipart/form-data") and _has_field(data)):
                raise CallerError(
                    f"{path} cannot be steered; remove 'steering'",
                    code="steering_unsupported",
                    param="steering",
                )
        except SteersmanError as error:
            if admission is not None and data is not None:
                caller: Caller = scope.get(CALLER, LOCAL_CALLER)
                admission.refuse(caller, path, error, _with_request_id(scope)[1])
            await send_error(send, error)
            return
        await self.app(scope, replay(data, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Returns the body, which the gate has read where there is one; None: nobody waits."""
        if BODY in scope:
            return scope[BODY]  # type: ignore[no-any-return]
        return await read_whole(receive, self.max_body_bytes)

    def _model_list(self, scope: Scope, send: Send) -> Send:
        admission = self.admission()
        if admission is None:
            return send
        caller: Caller = scope.get(CALLER, LOCAL_CALLER)
        return ModelList(admission.profiles_of(caller), admission.models, send)


def _may_steer(scope: Scope, path: str) -> bool:
    """Returns whether the body may hold a `steering` field that nobody would look at."""
    if path not in TENANT_ROUTES:
        return False
    return _has_type(scope, b"json") or _has_type(scope, b"multipart/form-data")


def _has_type(scope: Scope, part: bytes) -> bool:
    return any(k.lower() == b"content-type" and part in v.lower() for k, v in scope["headers"])


def _has_field(form: bytes) -> bool:
    return any(
        line[:20].lower() == b"content-disposition:" and _FORM_FIELD.search(line)
        for line in form.split(b"\r\n")
    )


def _with_request_id(scope: Scope) -> tuple[Scope, str]:
    """Returns the id that vLLM gives the request, and a scope that makes it do so."""
    for key, value in scope["headers"]:
        if key.lower() == REQUEST_ID:
            return scope, value.decode("latin-1")
    request_id = uuid4().hex
    return {**scope, "headers": [*scope["headers"], (REQUEST_ID, request_id.encode())]}, request_id


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [
        (k, v) for k, v in headers if k.lower() not in (b"content-length", b"transfer-encoding")
    ]
    return [*kept, (b"content-length", str(length).encode())]
