"""Intake on fake engine requests: what is bound, what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from steersman_vectors.engine_contract import CONFIG_KEY, intake_of
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.reach import Reach
from vllm_steersman import compat
from vllm_steersman.intake import check_engine, take_in

DIGEST = "sha256:" + "a" * 64
STEERED = {CONFIG_KEY: {"layers": "all"}}


def processor(*, config=STEERED, dtype=torch.float16, resident=None):
    vllm_config = SimpleNamespace(
        additional_config=config, model_config=SimpleNamespace(dtype=dtype)
    )
    made = SimpleNamespace(vllm_config=vllm_config, tokenizer=None)
    intake_of(made).resident.update(resident if resident is not None else {DIGEST: Reach(2.0, 0)})
    return made


def request(*, alpha=1.0, scope="generation", prompt=(5, 6, 7), resumable=False, plan=None):
    if plan is None:
        plan = SteeringPlan(terms=((DIGEST, alpha),), scope=scope).to_wire()
    params = SimpleNamespace(extra_args={"steering": plan, "other": 1})
    return SimpleNamespace(sampling_params=params, prompt_token_ids=prompt, resumable=resumable)


def test_the_plan_is_bound_to_the_prompt_and_the_rest_is_kept():
    taken = take_in(processor(), request()).sampling_params.extra_args
    assert taken["steering"]["turns"] == [[2, None]]
    assert taken["steering"]["scope"] is None
    assert taken["other"] == 1


def test_the_time_to_bind_a_plan_is_told_for_requests_that_carry_one():
    told, made = [], processor()
    intake_of(made).observe_seconds = told.append
    take_in(made, SimpleNamespace(sampling_params=SimpleNamespace(extra_args={"other": 1})))
    assert told == []
    take_in(made, request())
    with pytest.raises(CallerError):
        take_in(made, request(resumable=True))
    (seconds,) = told
    assert 0 < seconds < 60


def test_alpha_zero_leaves_no_plan():
    assert take_in(processor(), request(alpha=0.0)).sampling_params.extra_args == {"other": 1}


@pytest.mark.parametrize("extra_args", [["steering"], [1], 5, "steering", "other", ("steering",)])
def test_extra_args_that_are_no_object_are_refused(extra_args):
    """vLLM's `SamplingParams` take anything; its engine core cannot decode what is no object."""
    asked = request()
    asked.sampling_params.extra_args = extra_args
    with pytest.raises(CallerError, match="extra_args must be an object, got") as refusal:
        take_in(processor(), asked)
    assert refusal.value.code == "invalid_plan"


@pytest.mark.parametrize(
    "params", [None, *(SimpleNamespace(extra_args=none) for none in (None, {}, {"other": 1}))]
)
def test_unsteered_requests_are_not_looked_at(params):
    unsteered = SimpleNamespace(sampling_params=params)
    assert take_in(None, unsteered) is unsteered


@pytest.mark.parametrize(
    ("asked", "engine", "code"),
    [
        ({}, {"config": {}}, "steering_not_enabled"),
        ({}, {"resident": {}}, "vector_not_resident"),
        ({"alpha": 40_000.0}, {}, "alpha_out_of_range"),
        ({"alpha": -40_000.0}, {}, "alpha_out_of_range"),
        ({"resumable": True}, {}, "steering_unsupported"),
        ({"prompt": None}, {}, "steering_unsupported"),
        ({"scope": "assistant"}, {}, "chat_template_unsupported"),
        ({"plan": "empathy"}, {}, "invalid_plan"),
        ({"plan": {"terms": []}}, {}, "invalid_plan"),
    ],
)
def test_what_cannot_be_steered_exactly_is_refused(asked, engine, code):
    with pytest.raises(CallerError) as refusal:
        take_in(processor(**engine), request(**asked))
    assert refusal.value.code == code


def test_the_same_alpha_fits_a_wider_dtype():
    assert take_in(processor(dtype=torch.bfloat16), request(alpha=40_000.0))


def test_an_engine_is_refused_before_it_loads_anything_and_only_with_steering(monkeypatch):
    monkeypatch.setattr(compat, "refused_features", lambda _, **__: ["sleep mode (remove it)"])
    check_engine(SimpleNamespace(additional_config={}))
    with pytest.raises(OperatorError, match="sleep mode") as refusal:
        check_engine(SimpleNamespace(additional_config=STEERED))
    assert refusal.value.code == "engine_option_unsupported"


def test_layers_that_the_model_does_not_have_are_refused_before_it_loads_anything(monkeypatch):
    monkeypatch.setattr(compat, "refused_features", lambda _, **__: [])
    monkeypatch.setattr(compat, "num_hidden_layers", lambda _: 4)
    monkeypatch.setattr(compat, "attention_kinds", lambda _: None)
    check_engine(SimpleNamespace(additional_config={CONFIG_KEY: {"layers": [0, 3]}}))
    for layers in ([4], "global"):
        with pytest.raises(OperatorError, match="4 decoder blocks") as refusal:
            check_engine(SimpleNamespace(additional_config={CONFIG_KEY: {"layers": layers}}))
        assert refusal.value.code == "invalid_steering_layers"
