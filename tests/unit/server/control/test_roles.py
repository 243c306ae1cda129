"""Who may use which admin route, by real requests; a route that is not in the table fails."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from steersman_server.app import SteeringEndpointPlugin
from tests.unit.server.control.admin_server import ROLES

VIEWER = """
GET /tenants
GET /tenants/{tenant}
GET /keys
GET /flags
GET /flags.json
GET /flags/{flag}
GET /flags/{flag}/explain
GET /policies
GET /policies/{tenant}
POST /policies/{tenant}/check
GET /profiles
GET /profiles/{profile}
POST /explain
GET /kill-switch
GET /backoff
GET /backoff/{tenant}
GET /audit
GET /audit/configuration
GET /vectors
GET /vectors/{vector}
GET /vectors/{vector}/export
GET /diff
GET /verify
GET /stale
GET /log
"""
OPERATOR = """
POST /flags
PUT /flags/{flag}
DELETE /flags/{flag}
POST /flags/{flag}/set
POST /flags/{flag}/unset
POST /flags/{flag}/rollout
PUT /policies/{tenant}
DELETE /policies/{tenant}
PUT /profiles/{profile}
DELETE /profiles/{profile}
POST /kill-switch
DELETE /backoff/{tenant}
"""
ADMIN = """
POST /tenants
PATCH /tenants/{tenant}
DELETE /tenants/{tenant}
POST /keys
DELETE /keys/{key_id}
POST /push
POST /import
POST /promote
POST /rollback
POST /retire
POST /gc
"""
NEEDED = {
    route: role
    for role, routes in zip(ROLES, (VIEWER, OPERATOR, ADMIN), strict=True)
    for route in routes.strip().splitlines()
}
FILLED = {"tenant": "nobody", "flag": "nothing", "profile": "none", "vector": "none",
          "key_id": "00000000"}  # fmt: skip


def test_every_route_of_the_app_is_in_the_table(admin):
    routes = {
        f"{method} {route.path.removeprefix('/admin/v1')}"
        for route in admin.app.routes
        if isinstance(route, APIRoute) and route.path.startswith("/admin/v1")
        for method in route.methods
    }
    assert routes == set(NEEDED)


@pytest.mark.parametrize("who", ["nobody", "acme", "viewer", "operator", "admin", "root"])
def test_who_may_use_it(admin, who):
    refused = {}
    with admin.http(who) as http:
        for route, needed in NEEDED.items():
            method, path = route.split()
            # Nothing exists and the bodies are wrong: what is let in changes nothing.
            reply = http.request(method, "/admin/v1" + path.format(**FILLED), json=[])
            assert reply.status_code in (200, 400, 401, 403, 404), (route, reply.text)
            code = reply.json()["error"]["code"] if reply.status_code in (401, 403) else None
            if code is not None:
                refused[route] = (reply.status_code, code)
            else:
                assert needed in ROLES[: ROLES.index({"root": "admin"}.get(who, who)) + 1], route
    if who in ("nobody", "acme"):
        expected = dict.fromkeys(NEEDED, (401, "admin_key_wrong"))
    else:
        mine = ROLES.index({"root": "admin"}.get(who, who))
        above = [route for route, needed in NEEDED.items() if ROLES.index(needed) > mine]
        expected = dict.fromkeys(above, (403, "role_too_low"))
    assert refused == expected


def test_what_no_route_answers_says_so_in_openais_shape(admin):
    with admin.http() as http:
        wrong = http.post("/admin/v1/kill-switch/")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "route_not_found")
        for method in ("PUT", "HEAD", "OPTIONS", "TRACE"):
            reply = http.request(method, "/admin/v1/tenants")
            assert (reply.status_code, reply.headers["allow"]) == (405, "GET, POST")
        error = http.put("/admin/v1/tenants").json()["error"]
        assert error["code"] == "method_not_allowed"
        assert "GET, POST, got PUT" in error["message"]
    for who, status in {"nobody": 401, "acme": 401, "viewer": 404}.items():
        with admin.http(who) as http:
            assert http.get("/admin/v1/anything").status_code == status


def test_under_plain_vllm_nobody_is_an_operator():
    app = FastAPI()
    SteeringEndpointPlugin().attach_router(app)  # no settings: `vllm serve`, not `steersman serve`
    with TestClient(app) as http:
        for route in NEEDED:
            method, path = route.split()
            reply = http.request(method, "/admin/v1" + path.format(**FILLED))
            assert reply.status_code == 503, route
            assert reply.json()["error"]["code"] == "steering_not_enabled"
