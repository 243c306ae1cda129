"""The gate around a bare ASGI app: every path has a class, and what has none is closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from steersman_server.access.middleware import (
    BODY,
    CALLER,
    MAX_ADMIN_BYTES,
    OPERATOR,
    AccessMiddleware,
    route_path,
)
from steersman_server.access.routes import RouteClass, classify
from steersman_server.access.settings import access_settings
from steersman_server.configuration import Configuration
from steersman_server.tenants.keys import make_key
from steersman_server.tenants.tenant import Tenant

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEYS = {
    "tenant": make_key(now=NOW, tenant="acme"),
    "viewer": make_key(now=NOW, role="viewer"),
    "admin": make_key(now=NOW, role="admin"),
}
CONFIGURATION = Configuration(
    tenants={"acme": Tenant()}, keys={k.record.sha256: (k.id, k.record) for k in KEYS.values()}
)


async def whoami(request):
    caller, operator = request.scope.get(CALLER), request.scope.get(OPERATOR)
    return JSONResponse({"caller": caller and caller.name, "role": operator and operator.role})


async def socket(ws):
    await ws.accept()


def app(configuration=CONFIGURATION, **options):
    inner = Starlette(routes=[WebSocketRoute("/v1/realtime", socket),
                              Route("/{path:path}", whoami, methods=["GET", "POST"])])  # fmt: skip
    access = access_settings(api_keys=(), admin_key=None, on_loopback=True, **options)
    service = None if configuration is None else SimpleNamespace(configuration=configuration)
    return AccessMiddleware(inner, access, lambda: service)


async def codes(path: str, **options) -> dict[str, int]:
    """Returns the status for nobody and for each kind of key."""
    transport = httpx.ASGITransport(app(**options))
    found = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for who in ("nobody", *KEYS):
            headers = {} if who == "nobody" else {"authorization": f"Bearer {KEYS[who].secret}"}
            found[who] = (await http.post(path, headers=headers)).status_code
    return found


OPEN = dict.fromkeys(["nobody", "tenant", "viewer", "admin"], 200)
TENANT = {"nobody": 401, "tenant": 200, "viewer": 401, "admin": 401}
VIEWER = {"nobody": 401, "tenant": 401, "viewer": 200, "admin": 200}
ADMIN = {"nobody": 401, "tenant": 401, "viewer": 403, "admin": 200}
CLOSED = dict.fromkeys(["nobody", "tenant", "viewer", "admin"], 404)


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("/health", {}, OPEN),
        ("/v1/chat/completions", {}, TENANT),
        ("/v1/models", {}, TENANT),
        ("/tokenize", {}, TENANT),
        ("/metrics", {}, VIEWER),
        ("/metrics/", {}, VIEWER),
        ("/metrics", {"public": ("/metrics",)}, OPEN),
        ("/admin/v1/vectors", {}, VIEWER),  # the route asks for more where it needs more
        ("/v1/load_lora_adapter", {}, CLOSED),
        ("/v1/load_lora_adapter", {"opened": ("/v1/load_lora_adapter",)}, ADMIN),
        ("/invocations", {}, CLOSED),
        ("/invocations", {"opened": ("/invocations",)}, TENANT),
        ("/sleep", {}, CLOSED),
        ("/collective_rpc", {}, CLOSED),
        ("/", {}, CLOSED),
        ("/v1/chat/completions/", {}, CLOSED),
        ("/v1//chat/completions", {}, CLOSED),
        ("/V1/chat/completions", {}, CLOSED),
        ("/v1/chat/completions/render", {}, CLOSED),
        ("/healthz", {}, CLOSED),
        ("/docs/", {}, VIEWER),
        ("/docsx", {}, CLOSED),
        ("/docs/x", {}, CLOSED),
        ("/health/../sleep", {}, CLOSED),
        ("/admin/v1", {}, CLOSED),
        ("/v1/responses/resp_1", {}, CLOSED),
    ],
)
async def test_who_gets_in(path, options, expected):
    assert await codes(path, **options) == expected


async def test_who_is_calling_reaches_the_routes_and_cannot_be_claimed():
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        headers = {"authorization": f"Bearer {KEYS['tenant'].secret}", CALLER: "evil",
                   "x-tenant": "evil", "steersman.operator": "admin"}  # fmt: skip
        reply = await http.get("/v1/models", headers=headers)
        assert reply.json() == {"caller": "acme", "role": None}
        two = [("authorization", f"Bearer {KEYS['tenant'].secret}"), ("authorization", "Bearer x")]
        assert (await http.get("/v1/models", headers=two)).json()["caller"] == "acme"


async def test_refusals_say_how_to_get_in_and_never_the_key():
    transport = httpx.ASGITransport(app())
    secret = KEYS["viewer"].secret
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        reply = await http.post("/v1/completions", headers={"x-api-key": secret})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["type"] == "authentication_error"
    assert secret not in reply.text
    assert secret.split("_", 2)[2] not in reply.text


async def test_before_the_service_is_there_only_what_is_open_answers():
    found = await codes("/v1/models", configuration=None)
    assert set(found.values()) == {503}
    assert await codes("/health", configuration=None) == OPEN


def test_no_web_socket_gets_in():
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        TestClient(app()).websocket_connect(
            "/v1/realtime", headers={"authorization": f"Bearer {KEYS['admin'].secret}"}
        ),
    ):
        pass
    assert caught.value.code == 1008


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("", "/health", "/health"),
        ("/api", "/api/health", "/health"),
        ("/api", "/health", "/health"),
        ("/api", "/apihealth", "/apihealth"),
        ("/api", "/api", ""),
    ],
)
def test_the_path_is_the_one_that_the_app_routes_by(root, path, expected):
    from starlette._utils import get_route_path

    scope = {"path": path, "root_path": root}
    assert route_path(scope) == get_route_path(scope) == expected


def test_every_class_is_reached():
    paths = ("/health", "/v1/models", "/metrics", "/admin/v1/x", "/sleep", "/no")
    assert {classify(path, ("/sleep",)) for path in paths} == set(RouteClass)


async def through_the_gate(path, who, receive, service, **options):
    """Returns the scope that the app was given, None when it was not asked, and what was sent."""
    given, sent = [], []

    async def inner(scope, receive, send):
        given.append(scope)
        assert (await receive())["body"] == scope[BODY]

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", f"Bearer {KEYS[who].secret}".encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    access = access_settings(api_keys=(), admin_key=None, on_loopback=True, opened=("/sleep",))
    await AccessMiddleware(inner, access, lambda: service, **options)(scope, receive, send)
    return (given[0] if given else None), sent


@pytest.mark.parametrize(
    ("path", "who"),
    [("/v1/completions", "tenant"), ("/tokenize", "tenant"), ("/admin/v1/tenants", "viewer"),
     ("/sleep", "admin")],
)  # fmt: skip
async def test_whose_request_it_is_is_asked_again_once_the_body_is_there(path, who):
    """The headers may come long before it; keys and limits change meanwhile."""
    service = SimpleNamespace(configuration=CONFIGURATION)
    after = replace(CONFIGURATION, tenants={"acme": Tenant(dose_cap=0.25)})

    async def receive():
        service.configuration = after
        return {"type": "http.request", "body": b"{}", "more_body": False}

    scope, _ = await through_the_gate(path, who, receive, service)
    assert scope[BODY] == b"{}"
    assert who != "tenant" or scope[CALLER].tenant.dose_cap == 0.25
    others = {k: v for k, v in CONFIGURATION.keys.items() if v[0] != KEYS[who].id}
    after = replace(CONFIGURATION, keys=others)
    service.configuration = CONFIGURATION
    scope, sent = await through_the_gate(path, who, receive, service)
    assert (scope, sent[0]["status"]) == (None, 401)


@pytest.mark.parametrize(("path", "who", "limit"), [
    ("/v1/completions", "tenant", 100), ("/tokenize", "tenant", 100), ("/sleep", "admin", 100),
    ("/admin/v1/tenants", "viewer", MAX_ADMIN_BYTES),
])  # fmt: skip
async def test_no_route_reads_a_body_without_end(path, who, limit):
    service = SimpleNamespace(configuration=CONFIGURATION)
    read = 0

    async def endless():
        nonlocal read
        read += limit // 8
        return {"type": "http.request", "body": bytes(limit // 8), "more_body": True}

    scope, sent = await through_the_gate(path, who, endless, service, max_body_bytes=100)
    assert (scope, sent[0]["status"]) == (None, 413)
    assert read <= 2 * limit


async def test_a_body_that_broke_off_reaches_nobody():
    async def cut():
        return {"type": "http.disconnect"}

    service = SimpleNamespace(configuration=CONFIGURATION)
    assert await through_the_gate("/v1/completions", "tenant", cut, service) == (None, [])
