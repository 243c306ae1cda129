"""What a back-off does to decisions: every alpha scaled wherever it comes from, never upwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_server.admission.inbound import Caller, Inbound
from steersman_server.admission.request import parse_steering
from steersman_server.admission.resolve import Situation, resolve, wants_intent
from steersman_server.admission.trace import Steps
from steersman_server.configuration import Configuration
from steersman_server.flags.evaluate import FlagSet
from steersman_server.monitor.decision_line import decided
from steersman_server.policies.policy import Policy
from steersman_server.policies.profile import Profile
from steersman_server.tenants.backoff import BackedOff
from steersman_vectors.errors import CallerError, SteersmanError
from tests.unit.server.admission.test_caps import ALPHAS, FIELDS, OPERATORS, TENANTS
from tests.unit.server.admission.test_steps import (
    ALPHA,
    BILLING,
    DEFAULT,
    EMPATHY,
    FORMAL,
    MAY_OVERRIDE,
    custom,
    gate,
    inbound,
    outcome,
    situation,
)
from tests.unit.server.samples import ENGINE, SNAPSHOT


def backed_off(scale: float) -> BackedOff:
    return BackedOff(
        scale=scale, since=datetime(2026, 1, 1, tzinfo=UTC), answers=40, degenerate=9,
        window_s=600.0, max_degenerate_rate=0.05,
    )  # fmt: skip


def under(given_: Situation, scale: float, *, local: float | None = None, tenant="acme"):
    """Returns the situation with the tenant backed off: in the registry, in this process, both."""
    known = {tenant: backed_off(scale)} if scale < 1.0 else {}
    configuration = replace(given_.configuration, backoffs=known)
    known_here = {} if local is None else {tenant: backed_off(local)}
    return replace(given_, configuration=configuration, local_backoffs=known_here)


CONSTANT = {"kind": "constant"}
REQUIRED = {**EMPATHY, "required": True}


@pytest.mark.parametrize(
    ("asked", "given_", "expected"),
    [
        # wherever the alphas come from
        (inbound(EMPATHY), under(situation(MAY_OVERRIDE), 0.5), "request: empathy@2=0.25"),
        (inbound({"vectors": {"empathy": "low", "concise": -0.4}, "schedule": CONSTANT}),
         under(situation(MAY_OVERRIDE), 0.5), "request: empathy@2=0.15 concise@1=-0.2"),
        (inbound(profile="formal"), under(situation(profiles=FORMAL), 0.5),
         "profile:formal: concise@1=0.15"),
        (inbound(intent="billing"), under(situation({}, [BILLING]), 0.25),
         "policy:billing: empathy@2=0.25"),
        (inbound(), under(situation(ALPHA, [{"name": "t", "steer": {"vectors":
                          {"empathy": {"flag": "dose"}}}}]), 0.5), "policy:t: empathy@2=0.1"),
        (inbound(default=DEFAULT), under(situation(), 0.5), "default: concise@1=0.1"),
        (inbound(REQUIRED), under(situation(MAY_OVERRIDE), 0.5), "request: empathy@2=0.25"),
        # in this process only, or lower there
        (inbound(default=DEFAULT), under(situation(), 1.0, local=0.5), "default: concise@1=0.1"),
        (inbound(default=DEFAULT), under(situation(), 0.5, local=0.25), "default: concise@1=0.05"),
        (inbound(default=DEFAULT), under(situation(), 0.25, local=0.5), "default: concise@1=0.05"),
        # off
        (inbound(default=DEFAULT), under(situation(), 0.0), "backed_off: unsteered"),
        (inbound(default=DEFAULT), under(situation(), 0.5, local=0.0), "backed_off: unsteered"),
        (inbound(EMPATHY), under(situation(MAY_OVERRIDE), 0.0), "backed_off: unsteered"),
        (inbound(profile="formal"), under(situation(profiles=FORMAL), 0.0),
         "backed_off: unsteered"),
        (inbound(REQUIRED), under(situation(MAY_OVERRIDE), 0.0), "403 steering_off"),
        (inbound(default=DEFAULT), under(situation(killed="x"), 0.0), "kill_switch: unsteered"),
        (inbound(default=DEFAULT), under(situation({"steering": gate("off")}), 0.0),
         "flag_off: unsteered"),
        (inbound(default=DEFAULT, intent="safety"), under(situation(), 0.5),
         "safety_override: unsteered"),
        # what is refused, or falls back, does so as it did
        (inbound({"vectors": {"empathy": 0.6}}, alpha_caps={"empathy": 0.5}),
         under(situation(MAY_OVERRIDE), 0.5), "400 alpha_out_of_range"),
        (inbound({"vectors": {"empathy": 0.6, "concise": 0.6}}, dose_cap=1.0),
         under(situation(MAY_OVERRIDE), 0.5), "400 dose_out_of_range"),
        (inbound(EMPATHY), under(situation(), 0.5), "403 steering_not_allowed"),
        (inbound(default={"vectors": {"plain": 1}}, on_unavailable="base"),
         under(situation(), 0.5), "default: fallback steering_not_allowed"),
        # nobody else
        (inbound(default=DEFAULT), under(situation(), 0.5, tenant="other"),
         "default: concise@1=0.2"),
        (inbound(default=DEFAULT), under(situation(), 1.0, local=0.0, tenant="other"),
         "default: concise@1=0.2"),
    ],
)  # fmt: skip
def test_what_is_decided(asked, given_, expected):
    assert outcome(asked, given_) == expected


def test_the_response_the_line_and_the_steps_tell_it():
    steps = Steps()
    asked = inbound(default=DEFAULT)
    decision = resolve(asked, under(situation(), 0.5), steps)
    assert decision.scale == decision.body_field()["backed_off"] == 0.5
    assert decided("r", "/v1/chat/completions", asked.caller, decision)["backed_off"] == 0.5
    (step,) = [step for step in steps.steps if step.step == "back-off"]
    assert step.outcome == "every alpha times 0.5"
    assert (step.given["degenerate"], step.given["answers"]) == (9, 40)
    off = resolve(asked, under(situation(), 0.0))
    assert (off.scale, off.body_field()["backed_off"], off.headers()["x-steering-reason"]) == (
        0.0, 0.0, "backed_off",
    )  # fmt: skip


def test_it_is_told_only_where_it_had_a_say():
    for decision in (
        resolve(inbound(), under(situation(), 0.5)),
        resolve(inbound(default=DEFAULT, intent="safety"), under(situation(), 0.5)),
        resolve(inbound(default=DEFAULT), situation()),
        resolve(inbound(default={"vectors": {"plain": 1}}, on_unavailable="base"),
                under(situation(), 0.5)),
    ):  # fmt: skip
        assert decision.scale == 1.0
        assert "backed_off" not in decision.body_field()


def test_the_refusal_of_a_required_request_names_the_remedy():
    with pytest.raises(CallerError, match="steersman tenants backoff clear acme"):
        resolve(inbound(REQUIRED), under(situation(MAY_OVERRIDE), 0.0))


def test_nobody_asks_for_the_intent_of_a_request_that_runs_unsteered():
    asked = inbound(intent="billing", default=DEFAULT)
    assert wants_intent(asked, under(situation({}, [BILLING]), 0.5))
    assert not wants_intent(asked, under(situation({}, [BILLING]), 0.0))


@settings(max_examples=400, deadline=None)
@given(
    field=FIELDS, tenant=TENANTS, steer=OPERATORS, alpha=ALPHAS, profile=st.none() | st.just("p"),
    override=st.booleans(), scale=st.floats(0, 1, exclude_max=True),
    local=st.none() | st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_a_back_off_makes_no_alpha_larger(
    field, tenant, steer, alpha, profile, override, scale, local
):
    dose = custom({"on": alpha if abs(alpha) < 1e308 else 1e308}, "on")
    configuration = Configuration(
        flags=FlagSet.of({"steering-override": gate("on" if override else "off"), "dose": dose}),
        policies={"acme": Policy.model_validate({"rules": [
            {"name": "r", "when": {"metadata": {"k": "v"}}, "steer": {"vectors": steer}},
            {"name": "d", "steer": {"vectors": {"empathy": {"flag": "dose"}}}},
        ]})},
        profiles={"p": Profile.model_validate({"steer": {"vectors": steer}})},
    )  # fmt: skip
    before = Situation(SNAPSHOT, configuration, ENGINE)
    after = under(before, scale, local=local)
    in_force = scale if local is None else min(scale, local)
    for metadata in ({}, {"k": "v"}):
        try:
            asked = Inbound(Caller("acme", tenant), parse_steering(field), profile, metadata)
        except CallerError:
            return
        try:
            plain = resolve(asked, before)
        except SteersmanError as error:
            if in_force > 0.0:
                with pytest.raises(SteersmanError, check=lambda e, code=error.code: e.code == code):
                    resolve(asked, after)
            continue
        try:
            scaled = resolve(asked, after)
        except SteersmanError as error:
            if in_force > 0.0 or error.code != "steering_off":
                raise
            continue
        without = {} if plain.plan is None else dict(plain.plan.terms)
        with_it = {} if scaled.plan is None else dict(scaled.plan.terms)
        assert with_it.keys() <= without.keys()
        for digest, amount in with_it.items():
            assert abs(amount) <= abs(without[digest])
            assert amount == without[digest] * in_force
        if in_force == 0.0:
            assert with_it == {}
        elif plain.plan is not None and scaled.plan is not None:
            assert (scaled.plan.scope, scaled.plan.schedule) == (
                plain.plan.scope, plain.plan.schedule,
            )  # fmt: skip
