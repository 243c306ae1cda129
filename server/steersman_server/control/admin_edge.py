"""What all admin routes share: the service, the operator's role, errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from steersman_vectors.errors import SteersmanError

from ..access.caller import Operator, check_role
from ..access.middleware import OPERATOR
from ..openai.errors import error_body, error_headers, not_enabled
from ..service import SteeringService
from ..tenants.keys import Role

STATUS = {
    "registry_conflict": 409,
    "version_in_use": 409,
    "nothing_to_roll_back": 409,
    "already_exists": 409,
    "vector_not_found": 404,
    "not_found": 404,
}
"""HTTP status of an error's code where the caller's next step is not to mend the request."""


class AdminRoute(APIRoute):
    """Answers errors in OpenAI's shape, as every other route of the server does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns FastAPI's handler, with our errors answered."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SteersmanError as error:
                status = STATUS.get(error.code, error.http_status)
                return Response(
                    error_body(error), status, error_headers(error), media_type="application/json"
                )

        return answer


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


Service = Annotated[SteeringService, Depends(running_service)]
Viewer = Annotated[Operator, Depends(_with_role("viewer"))]
"""Looks."""
Flagger = Annotated[Operator, Depends(_with_role("operator"))]
"""Changes flags, policies, profiles, and pulls the kill switch."""
Admin = Annotated[Operator, Depends(_with_role("admin"))]
"""Changes everything."""
