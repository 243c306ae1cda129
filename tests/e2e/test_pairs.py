"""`steersman pairs generate` on the real server, whose demo model cannot write JSON."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def generate(demo, *more: object):
    return run("pairs", "generate", "--concept", "answers with warmth", "--endpoint", demo[0],
               *map(str, more), check=False)  # fmt: skip


def error(done) -> dict[str, str]:
    return json.loads(done.stderr.splitlines()[-1])["error"]


def test_a_model_that_writes_no_json_is_told_so_and_nothing_is_written(demo, tmp_path):
    done = generate(demo, "--count", 5, "--seed", 1, "--out", tmp_path / "f", "--json")
    assert done.returncode == 3, done.stderr
    assert error(done)["code"] == "generator_unusable"
    assert "writes no JSON when asked for topics; it wrote '" in error(done)["message"]
    assert "follows instructions (--model)" in error(done)["message"]
    assert list(tmp_path.iterdir()) == []


def test_what_the_server_refuses_is_told_in_its_own_words(demo, tmp_path):
    done = generate(demo, "--model", "other", "--out", tmp_path / "f", "--json")
    assert done.returncode == 3
    assert error(done)["code"] == "endpoint_not_found"
    assert "other" in error(done)["message"]
    assert list(tmp_path.iterdir()) == []
