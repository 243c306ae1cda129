"""Admission as a table: what is asked, and what is decided or refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.schedule import CONSTANT, Linear
from tests.unit.server.samples import DIGEST, ENGINE, HEADER, NO_TEMPLATE, resolve_field

decide = resolve_field


@pytest.mark.parametrize(
    ("vectors", "terms"),
    [
        ({"empathy": 0.5}, {("empathy", 2): 0.5}),
        ({"empathy@1": -0.5}, {("empathy", 1): -0.5}),
        ({"empathy@prod": 3}, {("empathy", 1): 3.0}),
        ({"empathy": "low"}, {("empathy", 2): 0.3}),
        ({"empathy": 0.5, "concise": 0.2}, {("empathy", 2): 0.5, ("concise", 1): 0.2}),
        ({"empathy": 0.5, "empathy@1": 0.25}, {("empathy", 2): 0.5, ("empathy", 1): 0.25}),
    ],
)
def test_vectors_and_alphas(vectors, terms):
    decision = decide({"vectors": vectors})
    assert dict(decision.plan.terms) == {DIGEST[key]: alpha for key, alpha in terms.items()}
    assert [v.name for v in decision.applied] == [name.partition("@")[0] for name in vectors]
    assert (decision.reason, decision.revision) == ("request", 7)


@pytest.mark.parametrize(
    ("field", "scope", "schedule"),
    [
        ({"vectors": {"empathy": 1}}, "assistant", CONSTANT),
        ({"vectors": {"empathy": "low"}}, "assistant", HEADER),
        ({"vectors": {"empathy": "strong"}}, "generation", HEADER),
        ({"vectors": {"empathy": "strong"}, "scope": "all"}, "all", HEADER),
        (
            {"vectors": {"empathy": "strong"}, "schedule": {"kind": "constant"}},
            "generation",
            CONSTANT,
        ),
        ({"vectors": {"empathy": "low", "concise": "low"}}, "assistant", HEADER),
        (
            {"vectors": {"empathy": 1}, "schedule": {"kind": "linear", "tokens": 9}},
            "assistant",
            Linear(tokens=9),
        ),
    ],
)
def test_the_requests_own_scope_and_schedule_win_over_the_presets(field, scope, schedule):
    plan = decide(field).plan
    assert (plan.scope, plan.schedule) == (scope, schedule)


@pytest.mark.parametrize(
    ("vectors", "scope", "schedule"),
    [
        ({"empathy": "strong", "concise": 0}, "generation", HEADER),
        ({"calibrated": 0.7}, "generation", HEADER),
        ({"calibrated": "low"}, "generation", HEADER),
        ({"calibrated": "wide"}, "all", HEADER),
        ({"calibrated": 0.7, "empathy": "strong"}, "generation", HEADER),
        ({"empathy": 0}, "assistant", CONSTANT),
    ],
)
def test_a_plain_alpha_runs_as_the_card_says_and_alpha_zero_has_no_say(vectors, scope, schedule):
    decision = decide({"vectors": vectors})
    assert decision.scope == scope
    assert decision.plan is None or decision.plan.schedule == schedule


@pytest.mark.parametrize(("field", "reason"), [(None, "default"), (False, "request_off")])
def test_unsteered(field, reason):
    decision = decide(field)
    assert (decision.plan, decision.applied, decision.reason) == (None, (), reason)
    assert decision.headers()["x-steering-applied"] == "none"


def test_alpha_zero_is_said_but_runs_unsteered():
    decision = decide({"vectors": {"empathy": 0}})
    assert decision.plan is None
    assert decision.body_field()["applied"][0]["alpha"] == 0.0


def test_without_a_template_generation_is_the_default_and_assistant_is_refused():
    assert decide({"vectors": {"empathy": 1}}, NO_TEMPLATE).plan.scope == "generation"
    with pytest.raises(CallerError, match="no template"):
        decide({"vectors": {"empathy": 1}, "scope": "assistant"}, NO_TEMPLATE)


@pytest.mark.parametrize(
    ("field", "code", "message"),
    [
        ({"vectors": {"empthy": 1}}, "vector_not_found", "empathy"),
        ({"vectors": {"empathy@9": 1}}, "vector_not_found", "empathy@9"),
        ({"vectors": {"foreign": 1}}, "vector_model_mismatch", "sha256:2222"),
        ({"vectors": {"empathy": "huge"}}, "preset_not_found", "low, strong"),
        ({"vectors": {"empathy@1": "low"}}, "preset_not_found", "give a number"),
        ({"vectors": {"empathy": 2.5}}, "alpha_out_of_range", "<= 2"),
        ({"vectors": {"empathy@1": 1e300}}, "alpha_out_of_range", "1e\\+300"),
        ({"vectors": {"empathy": 2, "empathy@2": 2}}, "vector_repeated", "empathy@2"),
        ({"vectors": {"empathy@prod": 1, "empathy@1": 1}}, "vector_repeated", "already"),
        ({"vectors": {"deep": 1}}, "vector_layers_not_served", r"\[9\]"),
        ({"vectors": {"by-norm": 1}}, "scale_not_served", "--steering-token-scale"),
        ({"vectors": {"empathy": "low", "plain": "low"}}, "schedule_conflict", "steering.schedule"),
        ({"vectors": {"empathy": "low", "concise": 1}}, "schedule_conflict", "constant"),
        ({"vectors": {"empathy": "strong", "concise": "low"}}, "scope_conflict", "steering.scope"),
        ({"vectors": {"Bad Name": 1}}, "invalid_name", "Bad Name"),
        (
            {"vectors": {"Bad Name": 1}},
            "invalid_name",
            "vectors: by-norm, calibrated, concise",
        ),
        ({"vectors": {"empathy": ["x"] * 999}}, "invalid_alpha", r"\['x'.{60,80}\.\.\., expected"),
        (
            {"vectors": {"empathy": 1}, "schedule": {"kind": "linear", "tokens": 2, "foo": 1}},
            "unknown_key",
            "'steering.schedule.foo'; 'schedule' has: kind, tokens, floor",
        ),
        (
            {"vectors": {"empathy": 1}, "schedule": {"kind": "linear", "tokens": 2, "floor": "0"}},
            "invalid_steering",
            "'steering.schedule.floor'",
        ),
        ({"vectors": {"empathy": float("nan")}}, "invalid_alpha", "finite"),
        ({"vectors": {"empathy": float("inf")}}, "invalid_alpha", "finite"),
        ({"vectors": {"empathy": 10**400}}, "invalid_alpha", "out of range"),
        ({"vectors": {"empathy": True}}, "invalid_alpha", "True"),
        ({"vectors": {"empathy": None}}, "invalid_alpha", "None"),
        ({"vectors": {"empathy": [1]}}, "invalid_alpha", "preset"),
        ({"vectors": {}}, "invalid_vectors", "at least 1"),
        ({"vectors": []}, "invalid_vectors", "dict"),
        ({"vectors": {"empathy": 1}, "strength": 2}, "unknown_key", "steering.strength"),
        ({"scope": "all"}, "invalid_vectors", "required"),
        ({"vectors": {"empathy": 1}, "scope": "user"}, "invalid_steering", "'user'"),
        ({"vectors": {"empathy": 1}, "schedule": {"kind": "sine"}}, "invalid_steering", "sine"),
        (
            {"vectors": {"empathy": 1}, "schedule": {"kind": "linear", "tokens": 0}},
            "invalid_steering",
            "tokens",
        ),
        ({"vectors": {"empathy": 1}, "required": "yes"}, "invalid_steering", "required"),
        (True, "invalid_steering", "object or false"),
        ("empathy", "invalid_steering", "object or false"),
        (1, "invalid_steering", "object or false"),
        ([], "invalid_steering", "object or false"),
    ],
)
def test_refusals_name_what_was_got_and_what_exists(field, code, message):
    with pytest.raises(CallerError, match=message) as refusal:
        decide(field)
    assert refusal.value.code == code
    assert refusal.value.http_status == 400
    assert refusal.value.param.startswith("steering")


def test_scale_token_is_served_by_an_engine_that_was_started_with_it():
    assert decide({"vectors": {"by-norm": 0.5}}, replace(ENGINE, token_scale=True)).plan.terms


def test_what_the_engines_dtype_cannot_hold_is_refused():
    half = replace(ENGINE, largest_value=65504.0)
    schedule = {"kind": "constant"}
    fits = {"vectors": {"empathy@1": 6_000, "concise": -1_000}, "schedule": schedule}
    assert decide(fits, half).plan.terms
    with pytest.raises(CallerError, match="Lower the alphas") as refusal:
        decide({"vectors": {"empathy@1": 6_000, "concise": -2_000}}, half)
    assert refusal.value.code == "alpha_out_of_range"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=9), v, max_size=3),
)
fields = json_values | st.fixed_dictionaries(
    {"vectors": st.dictionaries(st.sampled_from(["empathy", "concise", "x@", ""]), json_values)},
    optional={"scope": json_values, "schedule": json_values, "required": json_values},
)


@given(fields)
def test_any_json_is_decided_or_refused(field):
    try:
        decision = decide(field)
    except CallerError:
        return
    json.dumps(decision.body_field(), allow_nan=False)
    for value in decision.headers().values():
        value.encode("ascii")
