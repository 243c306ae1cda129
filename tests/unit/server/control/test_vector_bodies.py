"""Vector files over HTTP: what is too large, what does not fit, and who waits meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from steersman_server.control import operations, vector_bodies, vector_routes
from steersman_vectors.formats import native
from steersman_vectors.registry import binding, reader
from tests.unit.server.samples import ENGINE
from tests.unit.vectors.samples import FP_B, HIDDEN, LAYERS, vector

API = "/admin/v1"
FILES = [
    native.dumps(vector(seed, name="large", fingerprint=ENGINE.fingerprint)) for seed in (1, 2)
]


@pytest.fixture(scope="module")
def http(admin):
    with admin.http() as client:
        yield client


def off_the_loop(monkeypatch, ran: list[str], where, name: str) -> None:
    """Makes a function fail where everybody else would wait for it."""
    real = getattr(where, name)

    def checked(*args, **kwargs):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        ran.append(name)
        return real(*args, **kwargs)

    monkeypatch.setattr(where, name, checked)


def test_what_takes_long_for_a_large_vector_runs_off_the_event_loop(http, monkeypatch):
    ran: list[str] = []
    for where, name in (
        (native, "loads"), (native, "dumps"), (native, "digest"), (binding, "bind"),
        (operations, "compare"), (vector_routes, "export"), (reader, "_checked"),
    ):  # fmt: skip
        off_the_loop(monkeypatch, ran, where, name)
    for data in FILES:
        pushed = http.post(f"{API}/push", content=data)
        assert pushed.is_success, pushed.text
    versions = [f"large@{version}" for version in (1, 2)]
    assert http.get(f"{API}/diff", params=dict(zip("ab", versions, strict=True))).is_success
    for file_format in ("native", "gguf", "svec"):
        path = f"{API}/vectors/large/export"
        assert http.get(path, params={"file_format": file_format}).is_success
    assert http.get(f"{API}/verify").json()["ok"]
    # NOTE: the server's follower fetches what was pushed, off the loop too.
    assert set(ran) == {"loads", "dumps", "digest", "bind", "compare", "export", "_checked"}


def test_a_body_that_is_too_large_names_the_command(http, monkeypatch):
    monkeypatch.setattr(vector_bodies, "MAX_BYTES", len(FILES[-1]))
    assert http.post(f"{API}/push", content=FILES[-1]).status_code == 200
    for path, params in (("push", {}), ("import", {"name": "large"})):
        refused = http.post(f"{API}/{path}", content=FILES[-1] + b"\0", params=params)
        told = refused.json()["error"]
        assert (refused.status_code, told["code"]) == (413, "file_too_large")
        assert f"steersman vectors {path}" in told["message"]


def test_a_vector_that_is_too_large_is_not_read_and_the_command_is_named(http, monkeypatch):
    size = 2 * HIDDEN * 4  # `furnish` registers two layers
    monkeypatch.setattr(vector_bodies, "MAX_BYTES", size)
    assert http.get(f"{API}/vectors/empathy/export").is_success
    monkeypatch.setattr(vector_bodies, "MAX_BYTES", size - 1)
    monkeypatch.setattr(operations, "read_vector", None)
    asked = {"export": "/vectors/empathy/export", "diff": "/diff?a=empathy&b=concise"}
    for command, path in asked.items():
        refused = http.get(f"{API}{path}")
        told = refused.json()["error"]
        assert (refused.status_code, told["code"]) == (409, "vector_too_large")
        assert f"steersman vectors {command}" in told["message"]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"hidden": HIDDEN + 1}, "hidden_size_mismatch"),
        (
            {"layers": (1, LAYERS)},
            "layer_out_of_range",
        ),
    ],
)
def test_what_is_pushed_for_the_served_model_must_fit_it(http, made, code):
    for fields, params in (
        ({"fingerprint": ENGINE.fingerprint}, {}),
        ({}, {"model": ENGINE.fingerprint}),
    ):
        data = native.dumps(vector(3, name="wide", **made, **fields))
        refused = http.post(f"{API}/push", content=data, params=params)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    other = native.dumps(vector(3, name="wide", fingerprint=FP_B, **made))
    assert http.post(f"{API}/push", content=other).is_success  # of a model that is not known here
