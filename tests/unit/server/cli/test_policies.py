"""`steersman policies` and `profiles` as operators type them."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from steersman_vectors.formats import native
from tests.unit.vectors.commands import Run, imported
from tests.unit.vectors.samples import vector, write_model

from .conftest import Answer

pytestmark = pytest.mark.usefixtures("vectors")

RULES = {
    "rules": [
        {
            "name": "billing",
            "when": {"intent": "billing", "min_score": 0.6},
            "steer": {"vectors": {"empathy": "low"}},
        },
        {"name": "web", "when": {"metadata": {"channel": ["web", "app"]}}, "steer": False},
        {"name": "everyone", "steer": {"vectors": {"empathy": 0.4, "concise": -0.1}}},
    ]
}
TOML = """
[[rules]]
name = "billing"
when = {intent = "billing", min_score = 0.6}
steer = {vectors = {empathy = "low"}}
"""


@pytest.fixture
def acme(vectors: object, answer: Answer) -> None:
    both = ("--allow-vector", "empathy", "--allow-vector", "concise")
    answer("tenants", "create", "acme", *both, "--alpha-cap", "empathy=0.5")


def written(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.mark.usefixtures("acme")
def test_rules_are_written_shown_and_copied(
    run: Run, answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "policy.json", RULES)
    done = run("policies", "set", "acme", file)
    assert done.stdout == "tenant acme has these 3 rules (revision 4)\n"
    assert "names of intents were not checked: give --intents" in done.stderr
    assert not answer("policies", "set", "acme", file)["changed"]
    people = run("policies", "show", "acme").stdout
    assert "intent billing from 0.6" in people
    assert re.search(r"channel=web or app +unsteered", people)
    assert "empathy 0.4, concise -0.1" in people
    shown = run("policies", "show", "acme", "--json").stdout
    answer("tenants", "create", "globex", "--allow-vector", "*")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(shown.encode())))
    answer("policies", "set", "globex", "-")
    assert answer("policies", "show", "globex") == {**json.loads(shown), "tenant": "globex"}
    listed = answer("policies", "list")["policies"]
    assert [(p["tenant"], [r["name"] for r in p["rules"]]) for p in listed] == [
        (name, ["billing", "web", "everyone"]) for name in ("acme", "globex")
    ]
    assert answer("policies", "delete", "globex")["changed"]
    assert answer("policies", "delete", "globex", code=3)["code"] == "not_found"
    assert "has no rules" in run("policies", "show", "globex").stdout


@pytest.mark.usefixtures("acme")
def test_toml_and_the_tenant_without_keys(answer: Answer, tmp_path: Path) -> None:
    file = written(tmp_path / "policy.toml", TOML)
    answer("policies", "set", "local", file)
    shown = answer("policies", "show", "local")["rules"][0]["steer"]
    assert shown["vectors"] == {"empathy": "low"}


@pytest.mark.usefixtures("acme")
def test_check_lists_all_that_is_wrong_and_writes_nothing(
    run: Run, answer: Answer, tmp_path: Path
) -> None:
    bad = {
        "rules": [
            {"name": "all", "steer": {"vectors": {"empathy": 0.7}}},
            {
                "name": "b",
                "when": {"flag": {"nope": "on"}, "profile": "x"},
                "steer": {"vectors": {"nobody": 1}},
            },
            {"name": "c", "when": {"metadata": {"channel": "web"}}, "steer": False},
        ]
    }
    file = written(tmp_path / "bad.json", bad)
    done = run("policies", "check", "acme", file)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert lines[-1] == "5 problems"
    for said in ("cap allows |alpha| <= 0.5", "no flag 'nope'", "no profile 'x'", "never reached"):
        assert sum(said in line for line in lines) == 1
    assert answer("policies", "check", "acme", file, code=3)["ok"] is False
    refused = answer("policies", "set", "acme", file, code=3)
    assert refused["code"] == "invalid_policy"
    assert all(line in refused["message"] for line in lines[:-1])
    assert answer("policies", "list")["policies"] == []
    good = written(tmp_path / "good.json", RULES)
    assert answer("policies", "check", "acme", good) == {"ok": True, "problems": []}
    assert answer("policies", "check", "nobody", good, code=3)["code"] == "not_found"
    assert answer("policies", "list")["policies"] == []


BAD = [
    ("{", "invalid_option", "not readable as JSON"),
    ([], "invalid_option", "rules"),
    ({"rules": {}}, "invalid_option", "rules"),
    ({"rules": [{"name": "a"}]}, "invalid_policy", "rules.0.steer"),
    ({"rules": [{"name": "a", "steer": True}]}, "invalid_policy", "rules.0.steer"),
    ({"rules": [{"name": "a", "steer": {}}]}, "invalid_policy", "vectors"),
    ({"rules": [{"name": "a", "steer": False}] * 2}, "invalid_policy", "names of their own"),
    ({"rules": [], "other": 1}, "invalid_policy", "other"),
]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(("value", "code", "said"), BAD, ids=lambda v: str(v)[:30])
def test_files_that_are_no_policy(
    answer: Answer, tmp_path: Path, value: Any, code: str, said: str
) -> None:
    file = written(tmp_path / "policy.json", value)
    refused = answer("policies", "set", "acme", file, code=3)
    assert refused["code"] == code
    assert said in refused["message"]
    checked = answer("policies", "check", "acme", file, code=3)
    assert said in str(checked)


@pytest.mark.usefixtures("acme")
def test_the_classifier_says_which_intents_there_are(
    run: Run, answer: Answer, tmp_path: Path
) -> None:
    rules = [{"label": label, "any": [label]} for label in ("refund", "billing")]
    knows = written(tmp_path / "knows.json", {"kind": "rules", "rules": rules})
    lacks = written(tmp_path / "lacks.json", {"kind": "rules", "rules": rules[:1]})
    file = written(tmp_path / "policy.json", RULES)
    refused = answer("policies", "set", "acme", file, "--intents", lacks, code=3)
    assert "knows no intent 'billing'; it knows: refund" in refused["message"]
    assert not answer("policies", "check", "acme", file, "--intents", lacks, code=3)["ok"]
    assert answer("policies", "set", "acme", file, "--intents", knows)["changed"]
    for command in ("set", "check"):
        assert run("policies", command, "acme", file, "--intents", knows).stderr == ""
        assert "not checked" in run("policies", command, "acme", file).stderr
        plain = written(tmp_path / "plain.json", {"rules": RULES["rules"][1:]})
        assert run("policies", command, "acme", plain).stderr == ""
    missing = answer("policies", "set", "acme", file, "--intents", tmp_path / "no.json", code=3)
    assert missing["code"] == "classifier_not_found"


@pytest.mark.usefixtures("acme")
def test_a_rule_for_safety_alone_is_never_reached(answer: Answer, tmp_path: Path) -> None:
    rules = [{"label": label, "any": [label]} for label in ("billing", "safety")]
    knows = written(tmp_path / "knows.json", {"kind": "rules", "rules": rules})
    for intent, problems in (("safety", 1), (["safety", "billing"], 0)):
        policy = {"rules": [{"name": "a", "when": {"intent": intent}, "steer": False}]}
        file = written(tmp_path / "policy.json", policy)
        ask = ("policies", "check", "acme", file, "--intents", knows)
        found = answer(*ask, code=3 if problems else 0)["problems"]
        assert len(found) == problems
        assert all("never reached: requests of safety intents" in each for each in found)


@pytest.mark.usefixtures("acme")
def test_rules_need_not_work_for_a_model_that_was_upgraded(
    run: Run, answer: Answer, tmp_path: Path, model_dir: Path
) -> None:
    new = write_model(tmp_path / "new", seed=7)
    native.save(vector(5), tmp_path / "v.safetensors")
    for name in ("empathy", "shiny"):
        imported(run, tmp_path / "v.safetensors", name, new)
    answer("tenants", "update", "acme", "--allow-vector", "*")
    rules = {"rules": [{"name": "a", "steer": {"vectors": {"empathy": 0.1, "shiny": 0.1}}}]}
    file = written(tmp_path / "policy.json", rules)
    assert answer("policies", "set", "acme", file)["changed"]
    assert answer("policies", "check", "acme", file, "--model", new)["ok"]
    old = answer("policies", "check", "acme", file, "--model", model_dir, code=3)
    assert "belongs to another base model" in old["problems"][0]


@pytest.mark.usefixtures("acme")
def test_what_needs_a_version_that_is_retired_is_told(
    run: Run, answer: Answer, tmp_path: Path
) -> None:
    steer = {"vectors": {"empathy": 0.1}}
    rules = {"rules": [{"name": "everyone", "steer": steer}]}
    answer("policies", "set", "acme", written(tmp_path / "policy.json", rules))
    answer("profiles", "set", "pinned", "--steer", '{"vectors": {"concise@1": 0.1}}')
    done = run("vectors", "retire", "empathy@1", "--reason", "too warm")
    assert done.stderr.startswith("warning: tenant 'acme', rule 'everyone': ")
    assert "too warm" in done.stderr
    (told,) = answer("vectors", "retire", "concise@1")["warnings"]
    assert told.startswith("profile 'pinned': ")
    assert answer("vectors", "retire", "concise@1")["warnings"] == []


@pytest.mark.usefixtures("acme")
def test_a_rule_for_a_profile_that_is_deleted_is_told(
    run: Run, answer: Answer, tmp_path: Path
) -> None:
    for name in ("warm", "cold"):
        answer("profiles", "set", name, "--steer", '{"vectors": {"empathy": 0.1}}')
    rules = {"rules": [{"name": "to-warm", "when": {"profile": "warm"}, "steer": False}]}
    answer("policies", "set", "acme", written(tmp_path / "policy.json", rules))
    assert run("profiles", "delete", "cold").stderr == ""
    done = run("profiles", "delete", "warm")
    assert "warning: tenant 'acme', rule 'to-warm': no profile 'warm'" in done.stderr


def test_what_needs_a_version_that_is_newest_no_more_is_told(
    run: Run, answer: Answer, tmp_path: Path, model_dir: Path
) -> None:
    low = '{"vectors": {"%s": "low"}}'
    answer("tenants", "create", "acme", "--allow-vector", "*", "--default", low % "empathy")
    answer("vectors", "promote", "empathy@1", "prod")
    answer("profiles", "set", "prod", "--steer", low % "empathy@prod")
    native.save(vector(7, alpha_max=1.0), tmp_path / "v.safetensors")
    done = run("vectors", "import", tmp_path / "v.safetensors", "--name", "empathy", "--model",
               model_dir)  # fmt: skip
    assert "warning: tenant 'acme', default: vector 'empathy' has no preset 'low'" in done.stderr
    (told,) = answer("vectors", "promote", "empathy@2", "prod")["warnings"]
    assert told.startswith("profile 'prod': vector 'empathy@prod' has no preset 'low'")
    assert answer("vectors", "rollback", "empathy", "prod")["warnings"] == []
    for version in (2, 1):
        answer("vectors", "promote", f"empathy@{version}", "next")
    answer("profiles", "set", "next", "--steer", low % "empathy@next")
    (told,) = answer("vectors", "rollback", "empathy", "next")["warnings"]
    assert told.startswith("profile 'next': ")


def test_a_profile_that_new_caps_forbid_is_told(answer: Answer) -> None:
    answer("tenants", "create", "acme", "--allow-vector", "empathy")
    for name, tenant in (("theirs", "acme"), ("all", "*")):
        steer = ("--steer", '{"vectors": {"empathy": 0.8}}')
        answer("profiles", "set", name, *steer, *(("--tenant", tenant) if tenant != "*" else ()))
    cap = ("tenants", "update", "acme", "--alpha-cap", "empathy=0.5")
    assert [told.partition(":")[0] for told in answer(*cap)["warnings"]] == [
        "profile 'all', tenant 'acme'",
        "profile 'theirs', tenant 'acme'",
    ]
    assert answer("tenants", "update", "acme", "--dose-cap", "2")["warnings"] == []


@pytest.mark.usefixtures("acme")
def test_profiles(run: Run, answer: Answer, tmp_path: Path) -> None:
    assert answer("profiles", "set", "warm", "--steer", '{"vectors": {"empathy": 0.4}}')["changed"]
    profile = {"steer": {"vectors": {"empathy": "strong"}, "scope": "all"}, "description": "warm"}
    file = written(tmp_path / "profile.json", profile)
    done = run("profiles", "set", "hot", file, "--tenant", "acme")
    assert done.returncode == 0
    assert "tenant 'acme' cannot use it: alpha 0.9" in done.stderr
    shown = answer("profiles", "show", "hot")
    assert (shown["tenants"], shown["description"]) == (["acme"], "warm")
    assert [p["name"] for p in answer("profiles", "list")["profiles"]] == ["hot", "warm"]
    assert "empathy strong; scope all" in run("profiles", "list").stdout
    assert "empathy strong; scope all" in run("profiles", "show", "hot").stdout
    done = run("tenants", "delete", "acme", "--yes")
    assert "profile 'hot' still names tenant 'acme'" in done.stderr
    answer("profiles", "delete", "hot")
    assert answer("profiles", "show", "hot", code=3)["code"] == "not_found"
    assert answer("profiles", "delete", "hot", code=3)["code"] == "not_found"


BAD_PROFILES = [
    ((), "invalid_option", "give one of both"),
    (("--steer", "{"), "invalid_option", "JSON"),
    (("--steer", '{"vectors": {"nope": 1}}'), "invalid_profile", "concise, empathy"),
    (("--steer", '{"vectors": {"empathy": 1.5}}'), "invalid_profile", "<= 1"),
    (("--steer", '{"vectors": {"empathy": "huge"}}'), "invalid_profile", "low, medium, strong"),
    (("--steer", '{"flag": "nope"}'), "invalid_profile", "define it first"),
    (("--steer", '{"vectors": {"empathy": 1}}', "--tenant", "nobody"), "not_found", "nobody"),
    (("nowhere.json",), "file_unreadable", "nowhere.json"),
]


@pytest.mark.parametrize(("options", "code", "said"), BAD_PROFILES, ids=lambda v: str(v)[:40])
def test_bad_profiles(answer: Answer, options: tuple[str, ...], code: str, said: str) -> None:
    refused = answer("profiles", "set", "warm", *options, code=3)
    assert refused["code"] == code
    assert said in refused["message"]
    assert answer("profiles", "set", "Warm Words", "--steer", "{}", code=3)["code"]


def test_a_registry_that_is_not_there_is_said(answer: Answer, fresh_dir: Path) -> None:
    file = written(fresh_dir.parent / "policy.json", RULES)
    assert answer("policies", "check", "acme", file, code=3)["code"] == "registry_missing"
    assert not fresh_dir.exists()
