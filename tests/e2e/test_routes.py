"""Every route of the running app has a class, by name and by what it answers to whom."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from steersman_server.access.routes import RouteClass, classify
from tests.e2e import app_routes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OPEN = {"/health", "/ping", "/version"}
TENANT = {
    "/detokenize",
    "/tokenize",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/models",
    "/v1/responses",
    "/v1/steering/vectors",
}
VIEWER = {"/docs", "/docs/oauth2-redirect", "/metrics", "/openapi.json", "/redoc",
          "/v1/steering/health"}  # fmt: skip
CLOSED = {
    "/generative_scoring",
    "/inference/v1/abort_requests",
    "/inference/v1/generate",
    "/invocations",
    "/is_scaling_elastic_ep",
    "/kv_event_sources",
    "/load",
    "/scale_elastic_ep",
    "/v1/chat/completions/batch",
    "/v1/chat/completions/derender",
    "/v1/chat/completions/render",
    "/v1/completions/derender",
    "/v1/completions/render",
    "/v1/messages/render",
    "/v1/responses/render",
    "/v1/responses/{response_id}",
    "/v1/responses/{response_id}/cancel",
    "/v1/systemone",
}
"""What vLLM 0.32 serves beside: nobody has classed it, so it answers nobody."""
CLOSED_DEVELOPMENT = {
    "/abort_requests",
    "/collective_rpc",
    "/finish_weight_update",
    "/get_world_size",
    "/init_weight_transfer_engine",
    "/is_paused",
    "/is_sleeping",
    "/pause",
    "/release_kv_cache_memory",
    "/reset_encoder_cache",
    "/reset_mm_cache",
    "/reset_prefix_cache",
    "/resume",
    "/server_info",
    "/shutdown_weight_transfer_engine",
    "/sleep",
    "/start_draft_weight_update",
    "/start_weight_update",
    "/update_weight_version",
    "/update_weights",
    "/wake_up",
    "/weight_checker",
    "/weight_info",
}
"""The same with VLLM_SERVER_DEV_MODE=1."""
CALLERS = ("nobody", "acme", "viewer", "admin")
CLASSES = {
    **dict.fromkeys(OPEN, RouteClass.OPEN),
    **dict.fromkeys(TENANT, RouteClass.TENANT),
    **dict.fromkeys(VIEWER, RouteClass.VIEWER),
    **dict.fromkeys(CLOSED | CLOSED_DEVELOPMENT, RouteClass.CLOSED),
}


@pytest.fixture(scope="module")
def routes(tiny_model) -> list[dict]:
    """The whole route table, development routes and those outside openapi.json too."""
    return table(tiny_model, "1")


def table(model, dev_mode: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, app_routes.__file__, str(model)],
        capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"VLLM_SERVER_DEV_MODE": dev_mode, "VLLM_LOGGING_LEVEL": "ERROR"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def others(routes) -> set[str]:
    return {route["path"] for route in routes if not route["path"].startswith("/admin/v1/")}


def test_every_route_is_classed_here_or_closed(tiny_model, routes):
    """A new release's routes are closed until somebody has looked at them: then list them above."""
    assert others(routes) - set(CLASSES) == set()
    assert others(table(tiny_model, "0")) - set(CLASSES) - CLOSED_DEVELOPMENT == set()
    assert others(routes) >= OPEN | TENANT | VIEWER
    for path in others(routes):
        assert classify(filled(path)) is CLASSES[path], path
    for route in routes:
        if route["path"].startswith("/admin/v1/"):
            assert classify(filled(route["path"])) is RouteClass.ADMIN
    assert {route["kind"] for route in routes} <= {"APIRoute", "AdminRoute", "Route", "Mount"}


def test_the_table_is_that_of_the_running_app(tenant_server, routes):
    described = tenant_server.request("viewer", "GET", "/openapi.json").json()["paths"]
    assert set(described) <= {route["path"] for route in routes}
    assert "/sleep" in described  # it does run in development mode


@pytest.mark.parametrize("who", CALLERS)
def test_every_route_answers_whom_it_is_for_and_nobody_else(tenant_server, routes, who):
    """By real requests, with bodies that do nothing where they are let in."""
    wrong = {}
    for route in routes:
        path = route["path"]
        expected = CLASSES.get(path, RouteClass.ADMIN)
        for method in sorted({*route["methods"], "GET", "POST"} - {"HEAD"}):
            reply = tenant_server.request(who, method, filled(path), json=[])
            got = (reply.status_code, error_code(reply))
            if not meets(expected, who, got):
                wrong[f"{method} {path}"] = got
    assert wrong == {}


def meets(expected: RouteClass, who: str, got: tuple[int, object]) -> bool:
    """Returns whether the answer is that of the class to this caller."""
    match expected:
        case RouteClass.CLOSED:
            return got == (404, "route_closed")
        case RouteClass.OPEN:
            return got[0] in (200, 405)
        case RouteClass.TENANT if who != "acme":
            return got == (401, "invalid_api_key")
        case RouteClass.VIEWER | RouteClass.ADMIN if who in ("nobody", "acme"):
            return got == (401, "admin_key_wrong")
        case RouteClass.ADMIN if got[0] in (401, 403):
            return who == "viewer" and got == (403, "role_too_low")
    return got[0] < 500 and got[0] not in (401, 403) and got[1] != "route_closed"


def filled(path: str) -> str:
    """Returns the path with something in the place of its parameters."""
    return re.sub(r"\{[^}]*\}", "x1", path)


def error_code(reply) -> object:
    try:
        return reply.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None


def test_other_spellings_of_a_closed_path_are_closed(tenant_server):
    for path in ("/sleep/", "//sleep", "/./sleep", "/health/../sleep", "/%73leep", "/sleep?/health",
                 "/v1/../sleep", "/metrics/../sleep", "/metrics/x", "/docs/x", "/health;x",
                 "/SLEEP"):  # fmt: skip
        assert raw_status(tenant_server.server.url, "POST", path) == 404, path


def test_no_web_socket_opens(tenant_server):
    upgrade = (
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"authorization: Bearer {tenant_server.keys['admin']}\r\n"
    )
    for path in ("/v1/realtime", "/health", "/v1/models"):
        assert raw_status(tenant_server.server.url, "GET", path, upgrade) in (403, 404)


def raw_status(url: str, method: str, path: str, headers: str = "") -> int:
    """Sends a path as it is, which clients would tidy up first."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = f"{method} {path} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-length: 0\r\n"
        connection.sendall(f"{head}{headers}\r\n".encode())
        return int(connection.recv(64).split()[1])
