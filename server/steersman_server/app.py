"""The server's part in vLLM's app (a `vllm.endpoint_plugins` entry): middleware, routes, start."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from .access.middleware import AccessMiddleware
from .access.redaction import redact_access_log
from .control import (
    audit_routes,
    backoff_routes,
    flag_routes,
    kill_switch_routes,
    policy_routes,
    tenant_routes,
    vector_routes,
)
from .control.admin_edge import PREFIX
from .control.admin_errors import NoAdminRoute
from .engine.vllm_api import served_chat_template, traces_endpoint
from .logs import configure_logs
from .openai.middleware import SteeringMiddleware
from .routes import router
from .service import SteeringService
from .settings import settings_from_environment
from .try_it import announce_when_ready

ADMIN_ROUTES = (
    tenant_routes,
    flag_routes,
    kill_switch_routes,
    policy_routes,
    backoff_routes,
    vector_routes,
    audit_routes,
)


class SteeringEndpointPlugin:
    """vLLM's contract for endpoint plugins: attach routes, then receive the engine client."""

    name = "steersman"
    required_tasks = ("generate",)

    def __init__(self) -> None:
        self.settings = settings_from_environment()
        self.service: SteeringService | None = None

    def attach_router(self, app: FastAPI) -> None:
        """Adds the routes and the middleware: the gate outside, the steering edge inside."""
        app.include_router(router)
        for routes in ADMIN_ROUTES:
            app.include_router(routes.router)
        app.router.routes.append(Route(f"{PREFIX}/{{rest:path}}", NoAdminRoute(), name="no-route"))
        if self.settings is None:
            app.add_middleware(SteeringMiddleware, admission=lambda: None)
        else:
            app.add_middleware(SteeringMiddleware, admission=lambda: self.service)
            redact_access_log()
            app.add_middleware(
                AccessMiddleware,
                settings=self.settings.access,
                service=lambda: self.service,
                max_body_bytes=self.settings.max_body_bytes,
            )

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Starts the service; an error here stops the server before it is ready."""
        if self.settings is None or engine_client is None:
            return
        template = served_chat_template(args)
        self.service = await SteeringService.start(
            self.settings, engine_client, template, traces_endpoint(args)
        )
        state.steering = self.service
        if self.settings.try_it_url is not None:
            announce_when_ready(self.settings, self.service)


def endpoint_plugin() -> SteeringEndpointPlugin:
    """Returns the plugin; the entry point that vLLM loads."""
    configure_logs()
    return SteeringEndpointPlugin()
