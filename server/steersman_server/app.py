"""The server's part in vLLM's app (a `vllm.endpoint_plugins` entry): middleware, routes, start."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from fastapi import FastAPI

from .control.admin_routes import router as admin_router
from .engine.vllm_api import served_chat_template
from .openai.middleware import SteeringMiddleware
from .routes import router
from .service import SteeringService
from .settings import settings_from_environment
from .try_it import announce_when_ready


class SteeringEndpointPlugin:
    """vLLM's contract for endpoint plugins: attach routes, then receive the engine client."""

    name = "steersman"
    required_tasks = ("generate",)

    def __init__(self) -> None:
        self.settings = settings_from_environment()
        self.service: SteeringService | None = None

    def attach_router(self, app: FastAPI) -> None:
        """Adds the routes and the middleware.

        NOTE: vLLM adds authentication after this, hence outside: the middleware only ever sees
        requests that vLLM has let in.
        """
        app.include_router(router)
        app.include_router(admin_router)
        has_key = self.settings is not None and self.settings.has_key
        app.add_middleware(SteeringMiddleware, admission=lambda: self.service, has_key=has_key)

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Starts the service; an error here stops the server before it is ready."""
        if self.settings is None or engine_client is None:
            return
        template = served_chat_template(args)
        self.service = await SteeringService.start(self.settings, engine_client, template)
        state.steering = self.service
        if self.settings.try_it_url is not None:
            announce_when_ready(self.settings, self.service)


def endpoint_plugin() -> SteeringEndpointPlugin:
    """Returns the plugin; the entry point that vLLM loads."""
    return SteeringEndpointPlugin()
