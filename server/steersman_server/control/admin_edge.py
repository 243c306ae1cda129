"""What all admin routes share: the service, the operator's role, errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Security
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from steersman_vectors.errors import CallerError, OperatorError, SteersmanError

from ..access.caller import Operator, check_role
from ..access.middleware import OPERATOR
from ..configuration import Configuration
from ..openai.errors import not_enabled
from ..service import SteeringService, View
from ..tenants.keys import Role
from .admin_errors import answer_error, documented, of_http, of_query, of_validation

PREFIX = "/admin/v1"
BEARER = HTTPBearer(
    scheme_name="operator",
    description="An operator's key: `steersman keys create --role viewer|operator|admin`, or the "
    "one in STEERSMAN_ADMIN_KEY. `x-api-key` takes it too. A server on loopback without tenants "
    "and keys needs none.",
    auto_error=False,
)


class AdminBody(BaseModel):
    """A body whose every key has an effect; others are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AdminRoute(APIRoute):
    """Answers errors in OpenAI's shape, and refuses query parameters that have no effect."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns FastAPI's handler, with our errors answered."""
        handle = super().get_route_handler()
        query = [field.alias for field in get_flat_dependant(self.dependant).query_params]
        body = _keys_of_body(self)

        async def answer(request: Request) -> Response:
            try:
                unknown = of_query(request, query)
                return await handle(request) if unknown is None else answer_error(unknown)
            except SteersmanError as error:
                return answer_error(error)
            except RequestValidationError as error:
                return answer_error(of_validation(error, body))
            except HTTPException as error:
                return answer_error(of_http(error))

        return answer


def admin_router(tag: str) -> APIRouter:
    """Returns a router below `/admin/v1`; each of its routes asks for a viewer at least."""
    return APIRouter(
        prefix=PREFIX,
        tags=[tag],
        route_class=AdminRoute,
        dependencies=[Security(BEARER), Depends(_with_role("viewer"))],
        responses=documented(),
    )


async def look(service: SteeringService) -> View:
    """Returns the registry as it is now, or as this process last saw it when it does not answer."""
    try:
        snapshot = await service.store.current()
    except OperatorError as error:
        if error.code != "registry_unavailable":
            raise
        return service.view
    return View(snapshot, Configuration.of(snapshot.documents, service.configuration))


async def read_bytes(request: Request, limit: int, code: str, remedy: str = "") -> bytes:
    """Returns the body as it came; raises `CallerError` with the code when it is longer."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise CallerError(f"the body has more than {limit} bytes{remedy}", code=code)
        parts.append(part)
    return b"".join(parts)


def running_service(request: Request) -> SteeringService:
    """Returns the service; raises `OperatorError(steering_not_enabled)` under plain vLLM."""
    service: SteeringService | None = getattr(request.app.state, "steering", None)
    if service is None:
        raise not_enabled()
    return service


def _with_role(role: Role) -> Callable[[Request], Operator]:
    def operator(request: Request) -> Operator:
        # The gate has let in an operator, or there is no gate: then nobody is one.
        found: Operator | None = request.scope.get(OPERATOR)
        if found is None:
            raise not_enabled()
        check_role(found, role)
        return found

    return operator


def _keys_of_body(route: APIRoute) -> list[str]:
    model = None if route.body_field is None else route.body_field.field_info.annotation
    fields = getattr(model, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


Service = Annotated[SteeringService, Depends(running_service)]
Viewer = Annotated[Operator, Depends(_with_role("viewer"))]
"""Looks."""
Flagger = Annotated[Operator, Depends(_with_role("operator"))]
"""Changes flags, policies, profiles, and pulls the kill switch."""
Admin = Annotated[Operator, Depends(_with_role("admin"))]
"""Changes everything."""
