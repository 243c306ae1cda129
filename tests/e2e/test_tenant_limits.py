"""No dose beyond the tenant's caps, however it is written."""

from __future__ import annotations

import json

import pytest

from tests.e2e.tenants import CAP, applied, code, raw, text

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
NOT_ALLOWED = (403, "steering_not_allowed")
SECRET = {"vectors": {"secret": 0.5}}
MINE = {"vectors": {"empathy": 0.5}}
PLAN = {"v": 1, "terms": [["sha256:" + "0" * 64, 9.0]], "scope": "all"}


@pytest.mark.parametrize(
    ("steering", "says"),
    [
        (SECRET, NOT_ALLOWED),
        ({"vectors": {"secret@1": 0.5}}, NOT_ALLOWED),
        ({"vectors": {"secret": 0.1, "empathy": 0.1}}, NOT_ALLOWED),
        ({"vectors": {"concise": 1.0, "empathy": 1.0}}, (400, "dose_out_of_range")),
        ({"vectors": {"concise": -1.0, "empathy": 1.0}}, (400, "dose_out_of_range")),
        ({"vectors": {"nobody": 0.1}}, NOT_ALLOWED),
        ({"vectors": {"empathy": CAP + 0.01}}, (400, "alpha_out_of_range")),
        ({"vectors": {"empathy": -CAP - 0.01}}, (400, "alpha_out_of_range")),
        ({"vectors": {"empathy@2": "strong"}}, (400, "alpha_out_of_range")),
        ({"vectors": {"empathy@1": 0.75, "empathy@2": 0.75}}, (400, "alpha_out_of_range")),
        ({"vectors": {"empathy@1": 0.75, "empathy@2": -0.75}}, (400, "alpha_out_of_range")),
        ({"vectors": {"empathy@prod": 0.75, "empathy@2": 0.75}}, (400, "alpha_out_of_range")),
        ({"vectors": {"empathy@prod": 0.4, "empathy@1": 0.4}}, (400, "vector_repeated")),
        ({"vectors": {"empathy": 0.4, "empathy@2": 0.4}}, (400, "vector_repeated")),
        ({"vectors": {"empathy@02": 0.4, "empathy@2": 0.4}}, (400, "vector_repeated")),
        ({"vectors": {"empathy": "0.5"}}, (400, "preset_not_found")),
        ({"vectors": {"empathy": True}}, (400, "invalid_alpha")),
        ({"vectors": {"empathy": [9]}}, (400, "invalid_alpha")),
        ({"vectors": {"empathy": {"flag": "steering"}}}, (400, "invalid_alpha")),
        ({"vectors": {"Empathy": 0.5}}, (400, "invalid_name")),
        ({"vectors": {"empathy": 0.5}, "tenant": "rival"}, (400, "unknown_key")),
        ({"vectors": {"empathy": 0.5}, "plan": PLAN}, (400, "unknown_key")),
        ({"profile": "rivals-own"}, (400, "invalid_vectors")),
        ("rivals-own", (400, "invalid_steering")),
        ([SECRET], (400, "invalid_steering")),
        (True, (400, "invalid_steering")),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_no_steering_beyond_the_tenants_limits(tenant_server, steering, says):
    assert code(tenant_server.chat("free", steering=steering)) == says


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400])
def test_numbers_that_are_none(tenant_server, number):
    body = raw(tenant_server, f'"steering": {{"vectors": {{"empathy": {number}}}}}')
    assert code(tenant_server.chat("free", content=body)) == (400, "invalid_alpha")


def test_of_a_repeated_key_what_is_checked_is_what_runs(tenant_server):
    fields = '"steering": {"vectors": {"empathy": 9}}, "steering": {"vectors": {"empathy": 0.5}}'
    reply = tenant_server.chat("free", content=raw(tenant_server, fields))
    assert applied(reply) == {"empathy@2": 0.5}
    assert text(reply) == text(tenant_server.chat("free", steering=MINE))
    inside = '"steering": {"vectors": {"empathy": 0.5, "empathy": 9}}'
    reply = tenant_server.chat("free", content=raw(tenant_server, inside))
    assert code(reply) == (400, "alpha_out_of_range")


def test_at_the_cap_it_is_allowed(tenant_server):
    steering = {"vectors": {"empathy@1": 0.7, "empathy@2": -0.7}}
    assert applied(tenant_server.chat("free", steering=steering)) == {
        "empathy@1": 0.7, "empathy@2": -0.7,
    }  # fmt: skip
    assert applied(tenant_server.chat("free", steering={"vectors": {"empathy": -CAP}}))
    assert applied(tenant_server.chat("free", steering=False)) == {}
