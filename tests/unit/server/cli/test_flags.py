"""`steersman flags` as operators type them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.vectors.commands import Run

from .conftest import Answer

DOSE = {
    "state": "ENABLED",
    "variants": {"mild": 0.3, "control": 0.0, "strong": 0.6},
    "defaultVariant": "control",
}


@pytest.fixture
def two(answer: Answer) -> None:
    for name in ("acme", "globex"):
        answer("tenants", "create", name)


def variant(answer: Answer, key: str, *options: object) -> Any:
    return answer("flags", "explain", key, *options)["variant"]


@pytest.mark.usefixtures("two")
def test_an_override_comes_and_goes(run: Run, answer: Answer) -> None:
    assert run("flags", "set", "steering", "off", "--tenant", "acme").stdout.startswith(
        "steering is off for tenant acme (revision 3)"
    )
    assert variant(answer, "steering", "--tenant", "acme") == "off"
    assert variant(answer, "steering", "--tenant", "globex") == "on"
    assert not answer("flags", "set", "steering", "off", "--tenant", "acme")["changed"]
    assert answer("flags", "unset", "steering", "--tenant", "acme")["changed"]
    assert variant(answer, "steering", "--tenant", "acme") == "on"
    assert answer("flags", "unset", "steering", "--tenant", "acme") == {
        "key": "steering", "tenant": "acme", "changed": False, "revision": None, "warnings": [],
    }  # fmt: skip


@pytest.mark.usefixtures("two")
def test_off_for_everybody_is_final_and_it_is_said(run: Run, answer: Answer) -> None:
    answer("flags", "set", "steering", "off")
    done = run("flags", "set", "steering", "on", "--tenant", "acme")
    assert done.returncode == 0
    assert "override is ignored while steering is off for everybody" in done.stderr
    assert "flags set steering on" in done.stderr
    assert variant(answer, "steering", "--tenant", "acme") == "off"
    assert "on, ignored" in run("flags", "explain", "steering", "--tenant", "acme").stdout
    assert run("flags", "set", "steering", "on").stderr == ""
    assert variant(answer, "steering", "--tenant", "acme") == "on"
    # off by default, and there to be on for a few: an override is heard
    assert run("flags", "set", "steering-override", "on", "--tenant", "acme").stderr == ""
    assert variant(answer, "steering-override", "--tenant", "acme") == "on"


def test_a_flag_of_a_vector_that_does_not_exist_is_a_warning(run: Run) -> None:
    done = run("flags", "set", "vector.empthy", "off")
    assert done.returncode == 0
    assert "no vector 'empthy' is registered" in done.stderr


@pytest.mark.usefixtures("vectors")
def test_every_vector_has_a_flag(run: Run, answer: Answer) -> None:
    keys = [flag["key"] for flag in answer("flags", "list")["flags"]]
    assert keys == [
        "steering", "steering-intent", "steering-override", "vector.concise", "vector.empathy",
    ]  # fmt: skip
    assert run("flags", "set", "vector.empathy", "off").stderr == ""
    assert "vector.empathy     off" in run("flags", "list").stdout


@pytest.mark.usefixtures("two")
def test_rollouts(run: Run, answer: Answer) -> None:
    assert answer("flags", "rollout", "steering", "on=10", "off=90")["weights"] == {
        "on": 10, "off": 90,
    }  # fmt: skip
    assert "on 10, off 90" in run("flags", "list").stdout
    got = [variant(answer, "steering", "--tenant", "acme", "--user", f"u{k}") for k in range(40)]
    assert 0 < got.count("on") < 15
    people = run("flags", "explain", "steering", "--tenant", "acme", "--user", "u1").stdout
    assert "of 100; on 0-10, off 10-100" in people
    answer(
        "flags", "rollout", "steering", "off=1", "on=0", "--tenant", "acme", "--tenant", "globex"
    )
    assert variant(answer, "steering", "--tenant", "acme") == "off"
    assert variant(answer, "steering") == "on"
    assert "on 0, off 1 of acme, globex" in run("flags", "show", "steering").stdout
    answer("flags", "set", "steering", "on")
    assert answer("flags", "show", "steering")["targeting"] is None


BAD = [
    (("set", "nope", "on"), "not_found"),
    (("set", "A B", "on"), "invalid_name"),
    (("set", "steering", "maybe"), "variant_not_found"),
    (("set", "steering", "on", "--tenant", "nobody"), "not_found"),
    (("unset", "steering", "--tenant", "nobody"), "not_found"),
    (("rollout", "steering", "on"), "invalid_option"),
    (("rollout", "steering", "on=many"), "invalid_option"),
    (("rollout", "steering", "on=-1"), "invalid_option"),
    (("rollout", "steering", "on=1", "on=2"), "invalid_option"),
    (("rollout", "steering", "on=0", "off=0"), "invalid_rollout"),
    (("rollout", "steering", "maybe=1"), "variant_not_found"),
    (("rollout", "steering", "on=10"), "invalid_rollout"),
    (("rollout", "steering", "on=1", "off=1", "--tenant", "nobody"), "not_found"),
    (("define", "nowhere.json"), "file_unreadable"),
    (("delete", "nope"), "not_found"),
    (("show", "nope"), "not_found"),
    (("explain", "nope"), "not_found"),
    (("explain", "steering", "--tenant", "nobody"), "not_found"),
    (("explain", "steering", "--label", "gold"), "invalid_option"),
    (("export", "--out", "/nowhere/flags.json"), "path_unusable"),
]


@pytest.mark.parametrize(("command", "code"), BAD, ids=lambda v: " ".join(v)[:40])
def test_bad_input_is_refused_in_a_line(
    run: Run, answer: Answer, command: tuple[str, ...], code: str
) -> None:
    assert answer("flags", *command, code=3)["code"] == code
    assert run("flags", *command).stderr.count("\n") == 1


@pytest.mark.usefixtures("two")
def test_flags_of_ones_own_and_files(
    run: Run, answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {"empathy-dose": DOSE}}))
    assert answer("flags", "define", file)["keys"] == ["empathy-dose"]
    assert not answer("flags", "define", file)["changed"]
    answer("flags", "set", "empathy-dose", "strong", "--tenant", "acme")
    assert variant(answer, "empathy-dose", "--tenant", "acme") == "strong"
    assert answer("flags", "explain", "empathy-dose")["value"] == 0.0

    exported = json.loads(run("flags", "export").stdout)
    assert answer("flags", "export", "--out", tmp_path / "out.json")["flags"] == 4
    assert json.loads((tmp_path / "out.json").read_text()) == exported
    assert "acme" in json.dumps(exported["flags"]["empathy-dose"]["targeting"])

    answer("flags", "delete", "empathy-dose")
    assert answer("flags", "show", "empathy-dose", code=3)["code"] == "not_found"
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(exported).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    answer("flags", "define", "-")
    assert variant(answer, "empathy-dose", "--tenant", "acme") == "strong"
    file.write_text(json.dumps({"flags": {"steering": DOSE}}))
    assert answer("flags", "define", file, code=3)["code"] == "invalid_flag"


def test_a_builtin_flag_that_is_deleted_is_as_it_was(run: Run, answer: Answer) -> None:
    answer("flags", "set", "steering", "off")
    assert "built-in default" in run("flags", "delete", "steering").stdout
    assert variant(answer, "steering") == "on"


@pytest.mark.usefixtures("vectors")
def test_a_flag_that_is_asked_is_not_deleted(answer: Answer, tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {"empathy-dose": DOSE}}))
    answer("flags", "define", file)
    default = '{"vectors": {"empathy": {"flag": "empathy-dose"}}}'
    answer("tenants", "create", "acme", "--allow-vector", "empathy", "--default", default)
    refused = answer("flags", "delete", "empathy-dose", code=3)
    assert (refused["code"], "acme" in refused["message"]) == ("flag_in_use", True)


@pytest.mark.usefixtures("vectors")
def test_a_definition_that_breaks_a_default_says_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {"empathy-dose": DOSE}}))
    assert run("flags", "define", file).stderr == ""
    default = '{"vectors": {"empathy": {"flag": "empathy-dose"}}}'
    run("tenants", "create", "acme", "--allow-vector", "empathy", "--default", default)
    much = {**DOSE, "variants": {**DOSE["variants"], "strong": 1.5}}
    file.write_text(json.dumps({"flags": {"empathy-dose": much}}))
    done = run("flags", "define", file)
    assert done.returncode == 0
    assert "warning: tenant 'acme', default: alpha 1.5" in done.stderr


@pytest.mark.usefixtures("two")
def test_labels_try_what_others_would_have(answer: Answer, tmp_path: Path) -> None:
    targeting = {"if": [{"==": [{"var": "labels.tier"}, "gold"]}, "strong"]}
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {"empathy-dose": {**DOSE, "targeting": targeting}}}))
    answer("flags", "define", file)
    answer("tenants", "update", "acme", "--label", "tier=gold")
    assert variant(answer, "empathy-dose", "--tenant", "acme") == "strong"
    assert variant(answer, "empathy-dose", "--tenant", "globex") == "control"
    gold = ("--tenant", "globex", "--label", "tier=gold")
    assert variant(answer, "empathy-dose", *gold) == "strong"
