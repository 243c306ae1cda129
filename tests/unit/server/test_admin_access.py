"""Who may use the admin API."""

from __future__ import annotations

import pytest

from steersman_server.control.access import AccessError, AdminAccess, admin_access, check

KEY = "the operators' key"
LOCAL = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("key", "has_api_key", "on_loopback", "mode"),
    [
        (None, False, True, "loopback"),
        (None, True, True, "closed"),  # callers need a key, so operators need one
        (None, True, False, "closed"),
        (None, False, False, "closed"),
        ("", False, True, "loopback"),
        (KEY, False, True, "key"),
        (KEY, True, False, "key"),
    ],
)
def test_the_mode(key, has_api_key, on_loopback, mode):
    access = admin_access(key, has_api_key=has_api_key, on_loopback=on_loopback)
    assert access.mode == mode
    assert KEY not in access.model_dump_json()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": f"Bearer {KEY}"}, None),
        ({"authorization": f"bearer  {KEY} "}, None),
        ({"authorization": f"Bearer {KEY}x"}, "admin_key_wrong"),
        ({"authorization": f"Basic {KEY}"}, "admin_key_wrong"),
        ({"authorization": "Bearer"}, "admin_key_wrong"),
        ({}, "admin_key_wrong"),
    ],
)
def test_with_a_key(headers, code):
    judge(admin_access(KEY, has_api_key=True, on_loopback=False), headers, code)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (LOCAL, None),
        ({"host": "localhost:8000"}, None),
        ({"host": "[::1]:8000"}, None),
        ({**LOCAL, "origin": "http://localhost:3000"}, None),
        ({"host": "evil.example:8000"}, "admin_closed"),  # a name that was made to point here
        ({"host": "localhost.evil.example"}, "admin_closed"),
        ({**LOCAL, "origin": "https://evil.example"}, "admin_closed"),
        ({**LOCAL, "origin": "null"}, "admin_closed"),
        ({"host": "[::1"}, "admin_closed"),
        ({**LOCAL, "origin": "http://["}, "admin_closed"),
    ],
)
def test_on_this_machine_without_a_key(headers, code):
    judge(AdminAccess(mode="loopback"), headers, code)


def test_closed_is_closed():
    judge(AdminAccess(), {**LOCAL, "authorization": f"Bearer {KEY}"}, "admin_closed")


def judge(access, headers, code):
    if code is None:
        check(access, headers)
        return
    with pytest.raises(AccessError) as refused:
        check(access, headers)
    assert (refused.value.code, refused.value.http_status) == (code, 403)
    assert KEY not in refused.value.message
