"""The commands of the registry's daily life, on a real Valkey and a real Redis."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.registry import layout
from steersman_vectors.registry.binding import bind
from tests.redis_server import RedisServer, redis_server

from .commands import Run, imported
from .samples import FP_A, vector, write_model


@pytest.fixture
def three(run: Run, tmp_path: Path, model_dir: Path) -> list[dict[str, Any]]:
    """Three versions of `calm`."""
    made = []
    for seed in range(3):
        native.save(vector(seed, description=f"number {seed}"), tmp_path / "v.safetensors")
        made.append(imported(run, tmp_path / "v.safetensors", "calm", model_dir))
    return made


def answer(run: Run, *args: object, code: int = 0) -> dict[str, Any]:
    """Returns what a command prints for programs: its answer, or its error."""
    done = run("vectors", *args, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    text = done.stdout if code in (0, 4) and done.stdout else done.stderr
    found: dict[str, Any] = json.loads(text)
    return found.get("error", found)  # type: ignore[no-any-return]


@pytest.mark.usefixtures("three")
def test_an_alias_goes_forth_and_back(run: Run) -> None:
    assert run("vectors", "promote", "calm@1", "prod").stdout == "calm@prod -> 1 (new)\n"
    assert run("vectors", "promote", "calm@3", "prod").stdout == "calm@prod -> 3 (was 1)\n"
    again = run("vectors", "promote", "calm@3", "prod")
    assert again.stdout == "calm@prod names version 3 already\n"
    assert answer(run, "promote", "calm@prod", "canary")["version"] == 3
    assert "3        canary, prod" in run("vectors", "list").stdout
    assert answer(run, "show", "calm@prod")["aliases"] == {"canary": 3, "prod": 3}
    back = answer(run, "rollback", "calm", "prod")
    assert (back["version"], back["before"], back["changed"]) == (1, 3, True)
    assert answer(run, "rollback", "calm", "prod", code=3)["code"] == "nothing_to_roll_back"
    assert answer(run, "rollback", "calm", "nobody", code=3)["code"] == "nothing_to_roll_back"
    conflict = answer(run, "promote", "calm@2", "prod", "--expect", 3, code=3)
    assert conflict["code"] == "registry_conflict"
    assert "names version 1 now, expected version 3" in conflict["message"]
    assert answer(run, "promote", "calm@2", "prod", "--expect", 1)["version"] == 2
    assert answer(run, "promote", "calm@2", "new", "--expect", 0)["before"] is None
    kinds = [entry["kind"] for entry in answer(run, "log", "--limit", 3)["log"]]
    assert kinds == ["alias.set", "alias.set", "alias.set"]
    assert re.search(
        r"alias.set +calm@prod +1 3 1|alias.set +calm@prod", run("vectors", "log").stdout
    )


@pytest.mark.usefixtures("three")
def test_what_is_retired_is_refused_and_said_why(run: Run) -> None:
    answer(run, "promote", "calm@3", "prod")
    assert answer(run, "retire", "calm@3", code=3)["code"] == "version_in_use"
    assert answer(run, "retire", "calm", code=3)["code"] == "version_missing"
    assert answer(run, "retire", "calm@9", code=3)["code"] == "vector_not_found"
    done = run("vectors", "retire", "calm@2", "--reason", "nudges refunds", "--actor", "ann")
    assert re.match(r"calm@2: retired by ann on .* UTC: nudges refunds", done.stdout)
    assert answer(run, "promote", "calm@2", "prod", code=3)["code"] == "vector_retired"
    assert "2 (retired)" in run("vectors", "list", "--all").stdout
    shown = run("vectors", "show", "calm@2").stdout
    assert "nudges refunds" in shown


def test_gc_takes_what_nobody_needs(run: Run, three: list[dict[str, Any]]) -> None:
    answer(run, "retire", "calm@1")
    assert answer(run, "gc", "--dry-run")["blobs"] == []
    would = answer(run, "gc", "--dry-run", "--retired-for", 0)
    assert [blob["digest"] for blob in would["blobs"]] == [three[0]["digest"]]
    assert not would["removed"]
    assert answer(run, "gc", "--retired-for", 0) == {**would, "removed": True}
    assert "Nothing to remove" in run("vectors", "gc", "--retired-for", 0).stdout
    assert answer(run, "verify")["ok"]


@pytest.mark.usefixtures("three")
def test_diff_is_of_directions_and_of_cards(run: Run) -> None:
    found = answer(run, "diff", "calm@1", "calm@2")
    for layer in found["layers"]:
        a, b = (vector(seed).directions[layer["layer_idx"]] for seed in (0, 1))
        assert layer["cosine"] == pytest.approx(float(a @ b), abs=1e-6)
        assert layer["norm_a"] == pytest.approx(vector(0).coefficient(layer["layer_idx"], 1.0))
    text = run("vectors", "diff", "calm@1", "calm@2").stdout
    assert 'description: "number 0" -> "number 1"' in text
    assert "the same bytes" in run("vectors", "diff", "calm@2", "calm@2").stdout


def test_verify_finds_what_was_damaged(
    run: Run, three: list[dict[str, Any]], data_dir: Path
) -> None:
    from steersman_vectors.registry.embedded import attach_or_start

    with attach_or_start(data_dir) as registry, redis.Redis.from_url(registry.url) as client:
        client.setrange(layout.blob_key(three[1]["digest"]), 300, b"\x00\x01")
    found = answer(run, "verify", code=4)
    assert [problem["subject"].split()[0] for problem in found["problems"]] == ["calm@2"]
    done = run("vectors", "verify")
    assert done.returncode == 4
    assert "1 problem" in done.stdout


def test_push_takes_the_name_and_the_model_from_the_card(run: Run, tmp_path: Path) -> None:
    native.save(bind(vector(), name="calm", fingerprint=FP_A), tmp_path / "bound.safetensors")
    native.save(vector(), tmp_path / "free.safetensors")
    pushed = answer(run, "push", tmp_path / "bound.safetensors")
    assert (pushed["name"], pushed["fingerprint"], pushed["created"]) == ("calm", FP_A, True)
    assert not answer(run, "push", tmp_path / "bound.safetensors")["created"]
    assert answer(run, "push", tmp_path / "bound.safetensors", "--name", "b")["name"] == "b"
    refused = answer(run, "push", tmp_path / "free.safetensors", code=3)
    assert refused["code"] == "fingerprint_missing"
    assert "vectors import" in refused["message"]


def test_stale_lists_what_a_new_model_lacks_and_how_to_make_it(
    run: Run, tmp_path: Path, model_dir: Path
) -> None:
    recipe = {"command": "steersman vectors extract --pairs calm.jsonl --seed 1"}
    native.save(vector(0, recipe=recipe), tmp_path / "a.safetensors")
    native.save(vector(1), tmp_path / "b.safetensors")
    new = write_model(tmp_path / "new", seed=7)
    imported(run, tmp_path / "a.safetensors", "calm", model_dir)
    answer(run, "promote", "calm@1", "prod")
    imported(run, tmp_path / "b.safetensors", "both", model_dir)
    imported(run, tmp_path / "b.safetensors", "both", new)
    answer(run, "promote", "both@1", "canary", "--model", model_dir)
    found = answer(run, "stale", "--model", new)
    assert found["fingerprint"] == fingerprint(new).digest
    both, calm = found["stale"]
    assert (both["name"], both["aliases_lacking"], both["made_again"]) == ("both", ["canary"], True)
    assert (calm["aliases_lacking"], calm["made_again"]) == (["prod"], False)
    assert (calm["name"], calm["aliases"], calm["recipe"]) == ("calm", ["prod"], recipe["command"])
    assert recipe["command"] in run("vectors", "stale", "--model", new).stdout
    assert "point canary at a version" in run("vectors", "stale", "--model", new).stdout
    assert "Nothing is stale" in run("vectors", "stale", "--model", model_dir).stdout


def test_fingerprint_prints_what_it_covers(run: Run, model_dir: Path) -> None:
    done = run("fingerprint", model_dir, "--json")
    told = json.loads(done.stdout)
    assert told["fingerprint"] == fingerprint(model_dir).digest
    assert sorted(told["manifest"]) == [
        "code",
        "config",
        "manifest",
        "more_config",
        "quantization",
        "tokenizer",
        "tokenizer_config",
        "weights",
    ]
    assert told["manifest"]["manifest"] == 2
    assert run("fingerprint", model_dir).stdout == told["fingerprint"] + "\n"


def test_before_anything_was_registered(run: Run, data_dir: Path) -> None:
    assert "No changes" in run("vectors", "log").stdout
    assert answer(run, "verify") == {"ok": True, "versions": 0, "problems": []}
    assert not data_dir.exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis", "--requirepass", "very-secret") as started:
        yield started


def test_every_command_works_on_a_redis_and_tells_no_secret(
    run: Run, tmp_path: Path, model_dir: Path, data_dir: Path, server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    native.save(vector(0), tmp_path / "v.safetensors")
    monkeypatch.setenv("STEERSMAN_REDIS_URL", server.url)
    refused = answer(run, "list", code=4)
    assert refused["code"] == "registry_unavailable"
    monkeypatch.setenv("STEERSMAN_REDIS_PASSWORD", "very-secret")
    imported(run, tmp_path / "v.safetensors", "calm", model_dir)
    said = [
        run("vectors", *command.split())
        for command in (
            "list", "show calm", "promote calm@1 prod", "log", "verify", "gc", "diff calm calm",
            "list --help", "show nobody",
        )
    ]  # fmt: skip
    assert [done.returncode for done in said] == [0] * 8 + [3]
    server.kill()
    said.append(run("vectors", "list"))
    assert said[-1].returncode == 4
    assert "very-secret" not in "".join(done.stdout + done.stderr for done in said)
    assert not data_dir.exists()
