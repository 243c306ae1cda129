"""Who is calling: what a key opens, and what is open without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from steersman_server.access.caller import check_role, find_caller, find_operator, presented_key
from steersman_server.access.settings import access_settings
from steersman_server.admission.inbound import LOCAL_CALLER
from steersman_server.configuration import Configuration
from steersman_server.tenants.keys import hash_key, make_key, prefix_of
from steersman_server.tenants.tenant import Tenant
from steersman_vectors.errors import SteersmanError

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATIC, ROOT = "the one from --api-key", "the one from the environment"
KEYS = {
    "acme": make_key(now=NOW, tenant="acme"),
    "other": make_key(now=NOW, tenant="other", expires_at=NOW + HOUR),
    "orphan": make_key(now=NOW, tenant="deleted"),
    "viewer": make_key(now=NOW, role="viewer", label="grafana"),
    "admin": make_key(now=NOW, role="admin"),
}
REVOKED = make_key(now=NOW, tenant="acme")
TENANTS = {"acme": Tenant(vectors=("empathy",)), "other": Tenant()}
LOCAL = {"host": "127.0.0.1:8000"}


def configured(*names: str, tenants=TENANTS, revoked=False) -> Configuration:
    records = {KEYS[n].id: KEYS[n].record for n in names}
    if revoked:
        records[REVOKED.id] = REVOKED.record.model_copy(update={"revoked_at": NOW})
    return Configuration(
        tenants=tenants, keys={record.sha256: (i, record) for i, record in records.items()}
    )


def settings(api_keys=(), admin_key=None, on_loopback=True):
    return access_settings(api_keys=api_keys, admin_key=admin_key, on_loopback=on_loopback)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}", "host": "api.example"}


def outcome(find, *args) -> str:
    try:
        return find(*args).name
    except SteersmanError as error:
        return f"{error.http_status} {error.code}"


ALL = configured(*KEYS, revoked=True)
NOBODY = configured(tenants={})
_REVOKED_ADMIN = KEYS["admin"].record.model_copy(update={"revoked_at": NOW})
LAST_REVOKED = Configuration(keys={_REVOKED_ADMIN.sha256: (KEYS["admin"].id, _REVOKED_ADMIN)})
"""An operator's key was made, so the admin API is never open again without one."""


@pytest.mark.parametrize(
    ("access", "configuration", "headers", "expected"),
    [
        (settings(), ALL, bearer(KEYS["acme"].secret), "acme"),
        (settings(on_loopback=False), ALL, bearer(KEYS["acme"].secret), "acme"),
        (settings(), ALL, {"x-api-key": KEYS["acme"].secret}, "acme"),
        (settings(), ALL, {"authorization": f"bearer   {KEYS['acme'].secret} "}, "acme"),
        (settings(), ALL, bearer(KEYS["acme"].secret + "x"), "401 invalid_api_key"),
        (settings(), ALL, bearer(KEYS["acme"].record.sha256), "401 invalid_api_key"),
        (settings(), ALL, bearer(KEYS["acme"].id), "401 invalid_api_key"),
        (settings(), ALL, {**LOCAL, "x-tenant": "acme"}, "401 invalid_api_key"),
        (settings(), ALL, LOCAL, "401 invalid_api_key"),  # a tenant exists: no more without
        (settings(), ALL, bearer(REVOKED.secret), "401 api_key_revoked"),
        (settings(), ALL, bearer(KEYS["orphan"].secret), "401 invalid_api_key"),
        (settings(), ALL, bearer(KEYS["admin"].secret), "401 invalid_api_key"),
        (settings(admin_key=ROOT), ALL, bearer(ROOT), "401 invalid_api_key"),
        # without tenants
        (settings(), NOBODY, LOCAL, "local"),
        (settings(), NOBODY, {**LOCAL, "authorization": "Bearer none"}, "local"),
        (settings(admin_key=ROOT), NOBODY, LOCAL, "local"),
        (settings(), NOBODY, {**LOCAL, "x-api-key": KEYS["acme"].secret}, "401 invalid_api_key"),
        (settings(), NOBODY, {**LOCAL, "x-api-key": KEYS["admin"].secret}, "401 invalid_api_key"),
        (settings(), NOBODY, {"host": "attacker.example"}, "403 keys_required"),
        (settings(), NOBODY, {**LOCAL, "origin": "https://attacker.example"}, "403 keys_required"),
        (settings(), NOBODY, {**LOCAL, "origin": "http://localhost:3000"}, "local"),
        (settings(), NOBODY, {"host": "[::1]:8000"}, "local"),
        (settings(), NOBODY, {**LOCAL, "x-forwarded-for": "203.0.113.9"}, "403 keys_required"),
        (settings(), NOBODY, {**LOCAL, "x-real-ip": "203.0.113.9"}, "403 keys_required"),
        (settings(), NOBODY, {**LOCAL, "forwarded": "for=203.0.113.9"}, "403 keys_required"),
        # the last tenant was deleted, operators have keys: callers still need one
        (settings(), configured("admin", tenants={}), LOCAL, "401 invalid_api_key"),
        (settings(), NOBODY, {"host": "["}, "403 keys_required"),
        (settings(on_loopback=False), NOBODY, LOCAL, "401 invalid_api_key"),
        # --api-key
        (settings((STATIC,)), NOBODY, LOCAL, "401 invalid_api_key"),
        (settings((STATIC,)), NOBODY, bearer(STATIC), "local"),
        (settings((STATIC, "b"), on_loopback=False), ALL, bearer("b"), "local"),
        (settings((STATIC,)), ALL, bearer(KEYS["acme"].secret), "acme"),
    ],
)  # fmt: skip
def test_whose_request_it_is(access, configuration, headers, expected):
    assert outcome(find_caller, access, configuration, headers, NOW) == expected


def test_a_key_expires_at_its_time():
    headers = bearer(KEYS["other"].secret)
    assert outcome(find_caller, settings(), ALL, headers, NOW + HOUR - timedelta(seconds=1)) == (
        "other"
    )
    assert outcome(find_caller, settings(), ALL, headers, NOW + HOUR) == "401 api_key_expired"


def test_the_tenants_limits_come_with_it_and_nobody_elses():
    caller = find_caller(settings(), ALL, bearer(KEYS["acme"].secret), NOW)
    assert (caller.tenant, caller.key_id) == (TENANTS["acme"], KEYS["acme"].id)
    assert not caller.unrestricted
    assert LOCAL_CALLER.unrestricted


@pytest.mark.parametrize(
    ("access", "configuration", "headers", "expected"),
    [
        (settings(), ALL, bearer(KEYS["viewer"].secret), "grafana (key {viewer})"),
        (settings(), ALL, bearer(KEYS["admin"].secret), "operator (key {admin})"),
        (settings(), ALL, bearer(KEYS["acme"].secret), "401 admin_key_wrong"),
        (settings(), ALL, LOCAL, "401 admin_key_wrong"),
        (settings((STATIC,)), NOBODY, bearer(STATIC), "403 admin_closed"),
        (settings(admin_key=ROOT), NOBODY, bearer(ROOT), "key from STEERSMAN_ADMIN_KEY"),
        (settings(admin_key=ROOT), NOBODY, LOCAL, "401 admin_key_wrong"),
        (settings(), NOBODY, LOCAL, "this machine, without a key"),
        (settings(), NOBODY, {**LOCAL, "x-api-key": KEYS["acme"].secret}, "401 admin_key_wrong"),
        (settings(), NOBODY, {"host": "attacker.example"}, "403 keys_required"),
        (settings(on_loopback=False), NOBODY, LOCAL, "403 admin_closed"),
        (settings(), configured("acme"), LOCAL, "403 admin_closed"),  # only while no tenant exists
        (settings(), configured("admin", tenants={}), LOCAL, "401 admin_key_wrong"),
        (settings(), LAST_REVOKED, LOCAL, "401 admin_key_wrong"),
    ],
)
def test_which_operator_it_is(access, configuration, headers, expected):
    expected = expected.format(**{name: key.id for name, key in KEYS.items()})
    assert outcome(find_operator, access, configuration, headers, NOW) == expected


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_roles_include_those_below(role):
    order = ["viewer", "operator", "admin"]
    operator = find_operator(settings(admin_key=ROOT), NOBODY, bearer(ROOT), NOW)
    check_role(operator, role)
    viewer = find_operator(settings(), ALL, bearer(KEYS["viewer"].secret), NOW)
    if order.index(role) > 0:
        with pytest.raises(SteersmanError, match="needs the role"):
            check_role(viewer, role)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic x"}, {"authorization": "Bearer"}, {"x-api-key": ""}]
)
def test_what_is_no_key(headers):
    assert presented_key(headers) is None


def test_settings_and_records_hold_no_key():
    made = make_key(now=NOW, tenant="acme", label="prod")
    text = (
        made.record.model_dump_json()
        + access_settings(api_keys=(STATIC,), admin_key=ROOT, on_loopback=True).model_dump_json()
    )
    for secret in (made.secret, STATIC, ROOT):
        assert secret not in text
    assert made.record.sha256 == hash_key(made.secret)
    assert made.secret.startswith(prefix_of(made.id, made.record))
    assert len({make_key(now=NOW, tenant="a").secret for _ in range(100)}) == 100


@pytest.mark.parametrize("key", ["secret\n", "  secret ", "schlüssel"])
def test_keys_of_the_environment_are_found_as_headers_bring_them(key):
    from steersman_server.access.middleware import headers_of

    access = settings((key,), admin_key=key)
    header = (b"Authorization", f"Bearer {key.strip()}".encode())
    headers = headers_of({"headers": [header]})
    assert find_caller(access, NOBODY, headers, NOW) is LOCAL_CALLER
    assert find_operator(access, NOBODY, headers, NOW).role == "admin"
