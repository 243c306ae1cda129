"""`steersman explain`: every step, the plan, the dose per layer, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
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
            "steer": {"vectors": {"empathy": "low", "concise": -0.2}},
        },
        {"name": "web", "when": {"metadata": {"channel": "web"}}, "steer": False},
    ]
}


@pytest.fixture
def acme(vectors: object, answer: Answer, tmp_path: Path) -> None:
    answer("tenants", "create", "acme", "--allow-vector", "*", "--alpha-cap", "empathy=0.5")
    (tmp_path / "policy.json").write_text(json.dumps(RULES))
    answer("policies", "set", "acme", tmp_path / "policy.json")


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in found["steps"]}


@pytest.mark.usefixtures("acme")
def test_a_rule_and_its_dose(run: Run, answer: Answer) -> None:
    found = answer("explain", "--tenant", "acme", "I was charged twice", "--intent", "billing")
    assert found["decision"]["reason"] == "policy:billing"
    assert outcomes(found)["policy rule 'billing'"] == "holds"
    for dose in found["dose_per_layer"]:
        i = dose["layer_idx"]
        added = vector(0).delta(i, 0.3) + vector(1).delta(i, -0.2)
        assert dose["norm"] == pytest.approx(float(np.linalg.norm(added)), rel=1e-6)
    done = run("explain", "--tenant", "acme", "I was charged twice", "--intent", "billing")
    assert "empathy@1 alpha 0.3, concise@1 alpha -0.2" in done.stdout
    assert "policy:billing" in done.stdout
    assert "without --intents" in done.stderr


@pytest.mark.usefixtures("acme")
def test_the_classifier_is_asked_and_safety_is_unsteered(
    run: Run, answer: Answer, tmp_path: Path
) -> None:
    rules = [
        {"label": "billing", "any": ["charged"], "score": 0.8},
        {"label": "safety", "any": ["hurt myself"]},
    ]
    classifier = tmp_path / "intents.json"
    classifier.write_text(json.dumps({"kind": "rules", "rules": rules}))
    ask = ("explain", "--tenant", "acme", "--intents", classifier)
    found = answer(*ask, "I was charged twice")
    assert (found["decision"]["reason"], found["decision"]["intent"]) == (
        "policy:billing",
        {"label": "billing", "score": 0.8},
    )
    assert outcomes(found)["intent"] == "billing at 0.800 (rules)"
    found = answer(*ask, "I want to hurt myself")
    assert (found["decision"]["reason"], found["dose_per_layer"]) == ("safety_override", [])
    assert answer(*ask, "--intent", "safety")["decision"]["reason"] == "safety_override"
    done = run(*ask, "--intent", "safety")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("acme")
def test_that_no_classifier_was_asked_is_told_where_it_matters(run: Run, answer: Answer) -> None:
    said = "no classifier was asked, so a server may decide otherwise: give --intents"
    ask = ("explain", "hello", "--tenant")
    assert said in run(*ask, "acme").stderr  # its rules use intents
    assert said in run(*ask, "local", "--steering", '{"vectors": {"empathy": 0.2}}').stderr
    answer("tenants", "create", "plain")
    for quiet in (("plain",), ("local",), ("acme", "--steering", "false")):
        assert run(*ask, *quiet).stderr == ""
    answer("flags", "set", "steering-intent", "off")
    assert run(*ask, "acme").stderr == ""


@pytest.mark.usefixtures("acme")
def test_metadata_steering_and_profiles(answer: Answer) -> None:
    web = answer("explain", "--tenant", "acme", "--metadata", "channel=web", "hello")
    assert (web["decision"]["reason"], web["decision"]["applied"]) == ("policy:web", [])
    own = ("--steering", '{"vectors": {"empathy": 0.2}}')
    refused = answer("explain", "--tenant", "acme", *own)["refusal"]
    assert (refused["status"], refused["code"]) == (403, "steering_not_allowed")
    answer("flags", "set", "steering-override", "on", "--tenant", "acme")
    assert answer("explain", "--tenant", "acme", *own)["decision"]["reason"] == "request"
    much = answer("explain", "--tenant", "acme", "--steering", '{"vectors": {"empathy": 0.7}}')
    assert much["refusal"]["code"] == "alpha_out_of_range"
    off = answer("explain", "--tenant", "acme", "--steering", "false")
    assert off["decision"]["reason"] == "request_off"
    assert answer("explain", *own)["decision"]["reason"] == "request"  # local: nobody asks for keys
    answer("profiles", "set", "warm", "--steer", '{"vectors": {"empathy": 0.4}}')
    profile = answer("explain", "--tenant", "acme", "--profile", "warm")
    assert profile["decision"]["reason"] == "profile:warm"
    missing = answer("explain", "--tenant", "acme", "--profile", "cold")
    assert missing["refusal"]["code"] == "model_not_found"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("value", ['"off"', '"no"', "0", "true", "7", "[]"])
def test_steering_is_read_as_a_server_reads_it(answer: Answer, value: str) -> None:
    refusal = answer("explain", "--tenant", "acme", "--steering", value)["refusal"]
    assert (refusal["status"], refusal["code"]) == (400, "invalid_steering")
    # A profile that does not exist is refused by vLLM, after all that is refused here.
    ask = ("explain", "--tenant", "acme", "--profile", "cold", "--steering")
    assert answer(*ask, value)["refusal"]["code"] == "invalid_steering"
    assert answer(*ask, '{"vectors": {"concise": 1}}')["refusal"]["code"] == "steering_not_allowed"


@pytest.mark.usefixtures("acme")
def test_metadata_that_a_server_ignores_are_ignored(answer: Answer) -> None:
    found = answer("explain", "--tenant", "acme", "--metadata", f"channel={'z' * 600}")
    (step,) = (step for step in found["steps"] if step["step"] == "metadata")
    assert (step["input"], "ignored" in step["outcome"]) == (["channel"], True)


@pytest.mark.usefixtures("acme")
def test_an_intent_is_taken_for_granted_where_it_is_asked_for(
    answer: Answer, tmp_path: Path
) -> None:
    (tmp_path / "intents.json").write_text(
        json.dumps({"kind": "rules", "rules": [{"label": "safety", "any": ["hurt"]}]})
    )
    answer("tenants", "create", "plain")
    ask = ("explain", "--intents", tmp_path / "intents.json", "--intent")
    nothing = answer(*ask, "safety", "--tenant", "plain")
    assert nothing["decision"]["reason"] == "default"  # there is nothing to override
    assert "could not change the decision" in outcomes(nothing)["intent"]
    assert answer(*ask, "safety", "--tenant", "acme")["decision"]["reason"] == "safety_override"
    answer("flags", "set", "steering-intent", "off", "--tenant", "acme")
    for intent in ("billing", "safety"):
        assert answer(*ask, intent, "--tenant", "acme")["decision"]["reason"] == "default"


@pytest.mark.usefixtures("acme")
def test_flags_are_of_the_user(answer: Answer) -> None:
    answer("flags", "rollout", "steering", "on=1", "off=1")
    ask = ("explain", "--tenant", "acme", "--intent", "billing", "--user")
    reasons = {answer(*ask, f"u{k}")["decision"]["reason"] for k in range(12)}
    assert reasons == {"flag_off", "policy:billing"}


BAD = [
    (("--tenant", "nobody"), "not_found"),
    (("--steering", "{"), "invalid_option"),
    (("--metadata", "channel"), "invalid_option"),
    (("--intents", "nowhere.json"), "classifier_not_found"),
    (("--model", "sha256:00"), "model_not_found"),
    (("--model", "nowhere"), "model_not_found"),
    (("x" * 100_001,), "invalid_question"),
]


@pytest.mark.parametrize(("options", "code"), BAD, ids=lambda v: str(v)[:40])
def test_bad_values_are_refused_in_a_line(
    run: Run, answer: Answer, options: tuple[str, ...], code: str
) -> None:
    assert answer("explain", *options, code=3)["code"] == code
    assert run("explain", *options).stderr.count("\n") == 1


@pytest.mark.usefixtures("acme")
def test_of_several_models_one_is_chosen(
    run: Run, answer: Answer, tmp_path: Path, model_dir: Path
) -> None:
    new = write_model(tmp_path / "new", seed=7)
    native.save(vector(5), tmp_path / "v.safetensors")
    imported(run, tmp_path / "v.safetensors", "shiny", new)
    refused = answer("explain", "--tenant", "acme", code=3)
    assert refused["code"] == "model_ambiguous"
    ask = ("explain", "--tenant", "acme", "--intent", "billing", "--model")
    assert answer(*ask, model_dir)["decision"]["applied"]
    assert answer(*ask, new)["refusal"]["code"] == "vector_model_mismatch"


def test_before_anything_was_registered(answer: Answer, fresh_dir: Path) -> None:
    assert answer("explain", "hello", code=3)["code"] == "registry_missing"
    answer("tenants", "create", "acme")
    assert answer("explain", "--tenant", "acme", "hello")["decision"]["reason"] == "default"
