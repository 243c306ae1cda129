"""Every path of the process has a class; what nobody has classed is closed.

vLLM's app has routes that load adapters, take weights, put the engine to sleep or profile it, and
gets new ones with every release. None answers unless it is listed here or opened by the operator.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum


class RouteClass(Enum):
    """Who may use a path."""

    OPEN = "open"
    """Anybody: it tells that the process lives, and nothing else."""
    TENANT = "tenant"
    """Whoever has a tenant's key."""
    VIEWER = "viewer"
    """Operators of any role."""
    ADMIN = "admin"
    """Operators; the route itself asks for the role that it needs."""
    OPENED = "opened"
    """A route of vLLM's that is closed by default: operators with the role `admin`."""
    CLOSED = "closed"
    """Nobody."""


OPEN_ROUTES = frozenset({"/health", "/ping", "/version"})
STEERED_ROUTES = frozenset(
    {"/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"}
)
"""They generate, and admission decides about each of their requests."""
OTHER_STEERED_ROUTES = frozenset(
    {
        "/cohere/v2/chat",
        "/generative_scoring",
        "/inference/v1/generate",
        "/invocations",
        "/v1/chat/completions/batch",
        "/v1/systemone",
    }
)
"""The same, but closed unless opened."""
GENERATION_ROUTES = STEERED_ROUTES | OTHER_STEERED_ROUTES
TENANT_ROUTES = STEERED_ROUTES | {
    "/detokenize",
    "/tokenize",
    "/v1/messages/count_tokens",
    "/v1/models",
    "/v1/steering/vectors",
}
VIEWER_ROUTES = frozenset(
    {"/docs", "/docs/oauth2-redirect", "/metrics", "/openapi.json", "/redoc", "/v1/steering/health"}
)
ADMIN_PREFIX = "/admin/v1/"


def classify(path: str, opened: Collection[str] = (), public: Collection[str] = ()) -> RouteClass:
    """Returns the class of a path, without the app's root path.

    opened, public: what the operator has opened, to operators and to anybody.
    """
    plain = path.removesuffix("/")
    if plain in OPEN_ROUTES or plain in public:
        return RouteClass.OPEN
    if path in TENANT_ROUTES:
        return RouteClass.TENANT
    if plain in VIEWER_ROUTES:
        return RouteClass.VIEWER
    if path.startswith(ADMIN_PREFIX):
        return RouteClass.ADMIN
    if plain not in opened:
        return RouteClass.CLOSED
    return RouteClass.TENANT if path in GENERATION_ROUTES else RouteClass.OPENED
