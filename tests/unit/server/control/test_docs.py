"""The examples of docs/admin-api.md do what they say, as far as what they name exists."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest

DOC = Path(__file__).parents[4] / "docs" / "admin-api.md"
FILES = {
    "@flags.flagd.json": '{"flags": {}}',
    "@policy.json": '{"rules": [{"name": "x", "steer": false}]}',
}
MISWRITTEN = {"invalid_request", "unknown_key", "unknown_parameter", "route_not_found",
              "method_not_allowed", "invalid_flag_file"}  # fmt: skip


def examples() -> list[list[str]]:
    """Returns the arguments of every curl in the page."""
    lines = [line.strip() for line in DOC.read_text().splitlines() if line.startswith("    curl")]
    commands = [part.strip() for line in lines for part in line.split("; ")]
    return [shlex.split(command.partition(" >")[0])[1:] for command in commands]


@pytest.mark.parametrize("arguments", examples(), ids=" ".join)
def test_an_example(admin, arguments):
    given = dict(itertools.pairwise(arguments))
    url = next(a for a in arguments if a.startswith(("$A", "http")))
    path = "/admin/v1" + url.removeprefix("$A").removeprefix("http://127.0.0.1:8000/admin/v1")
    body = given.get("-d")
    method = given.get("-X", "GET" if body is None else "POST")
    content = None if body is None else FILES.get(body, body).encode()
    headers = {"content-type": "application/json"}
    with admin.http("root") as http:
        reply = http.request(method, path, content=content, headers=headers)
    if not reply.is_success:
        assert reply.json()["error"]["code"] not in MISWRITTEN, reply.text
    assert reply.status_code < 500


def test_there_are_examples():
    assert len(examples()) > 15
