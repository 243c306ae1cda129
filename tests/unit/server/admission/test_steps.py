"""The steps of admission as a table: who asks, what is configured, and what comes of it."""

from __future__ import annotations

import pytest

from steersman_server.admission.inbound import Caller, Inbound
from steersman_server.admission.request import parse_steering
from steersman_server.admission.resolve import Situation, resolve, wants_intent
from steersman_server.admission.trace import Steps
from steersman_server.configuration import Configuration, Switch
from steersman_server.flags.definition import FlagRecord
from steersman_server.flags.evaluate import FlagSet
from steersman_server.intent.contract import Intent
from steersman_server.policies.policy import Policy
from steersman_server.policies.profile import Profile
from steersman_server.tenants.tenant import Tenant
from steersman_vectors.errors import SteersmanError
from tests.unit.server.samples import ENGINE, SNAPSHOT

OVERRIDE = {"steering-override": {"acme": "on"}}
SAFETY = frozenset({"safety"})


def gate(default: str, **overrides: str) -> FlagRecord:
    definition = {"state": "ENABLED", "variants": {"on": True, "off": False},
                  "defaultVariant": default}  # fmt: skip
    return FlagRecord.model_validate({"definition": definition, "overrides": overrides})


def custom(variants: dict, default: str, **overrides: str) -> FlagRecord:
    definition = {"state": "ENABLED", "variants": variants, "defaultVariant": default}
    return FlagRecord.model_validate({"definition": definition, "overrides": overrides})


MAY_OVERRIDE = {"steering-override": gate("off", acme="on")}


def situation(flags=None, rules=(), profiles=None, killed=None, switch=None) -> Situation:
    configuration = Configuration(
        flags=FlagSet.of(flags or {}),
        policies={"acme": Policy.model_validate({"rules": rules})},
        profiles={k: Profile.model_validate(v) for k, v in (profiles or {}).items()},
        kill_switch=switch,
    )
    return Situation(SNAPSHOT, configuration, ENGINE, killed, SAFETY)


def inbound(steering=None, *, name="acme", intent=None, score=0.9, profile=None, metadata=None,
            user=None, **tenant) -> Inbound:  # fmt: skip
    return Inbound(
        Caller(name, Tenant.model_validate({"vectors": ["empathy", "concise"], **tenant})),
        parse_steering(steering),
        profile=profile,
        metadata=metadata or {},
        user=user,
        intent=None if intent is None else Intent(intent, score, intent, "test"),
    )


def outcome(asked: Inbound, given: Situation) -> str:
    """Returns `reason: vector=alpha ...`, or the refusal's status and code."""
    try:
        decision = resolve(asked, given)
    except SteersmanError as error:
        return f"{error.http_status} {error.code}"
    applied = " ".join(f"{v.name}@{v.version}={v.alpha:g}" for v in decision.applied)
    assert (decision.plan is None) == (applied == "" or all(v.alpha == 0 for v in decision.applied))
    if decision.fallback is not None:
        applied = f"fallback {decision.fallback.code}"
    return f"{decision.reason}: {applied or 'unsteered'}"


EMPATHY = {"vectors": {"empathy": 0.5}}
DEFAULT = {"vectors": {"concise": 0.2}}
BILLING = {"name": "billing", "when": {"intent": "billing"}, "steer": {"vectors": {"empathy": 1}}}
SURE = {"name": "sure", "when": {"intent": ["billing", "account"], "min_score": 0.8},
        "steer": {"vectors": {"empathy": "low"}}}  # fmt: skip
EVERYONE = {"name": "everyone", "steer": {"vectors": {"concise": 0.1}}}
NOBODY = {"name": "nobody", "steer": False}
FORMAL = {"formal": {"steer": {"vectors": {"concise": 0.3}}}}
AB = {"ab": custom({"a": {"vectors": {"empathy": 0.1}}, "b": {}, "c": {"nonsense": 1}}, "a")}
ALPHA = {"dose": custom({"mild": 0.2, "off": 0, "huge": 99}, "mild")}


@pytest.mark.parametrize(
    ("asked", "given", "expected"),
    [
        # nothing configured
        (inbound(), situation(), "default: unsteered"),
        (inbound(EMPATHY), situation(), "403 steering_not_allowed"),
        (inbound(False), situation(), "403 steering_not_allowed"),
        # step 2: switched off
        (inbound(default=DEFAULT), situation(killed="smoke"), "kill_switch: unsteered"),
        (inbound(default=DEFAULT), situation(switch=Switch()), "kill_switch: unsteered"),
        (inbound(EMPATHY), situation(MAY_OVERRIDE, killed="x"), "kill_switch: unsteered"),
        (inbound({**EMPATHY, "required": True}), situation(MAY_OVERRIDE, killed="x"),
         "403 steering_off"),
        (inbound(default=DEFAULT), situation({"steering": gate("off")}), "flag_off: unsteered"),
        (inbound(default=DEFAULT), situation({"steering": gate("off", acme="on")}),
         "flag_off: unsteered"),
        (inbound(default=DEFAULT), situation({"steering": gate("on", acme="off")}),
         "flag_off: unsteered"),
        (inbound(default=DEFAULT), situation({"steering": gate("on", other="off")}),
         "default: concise@1=0.2"),
        (inbound({**EMPATHY, "required": True}), situation({"steering": gate("off")}),
         "403 steering_off"),
        # step 3: safety
        (inbound(default=DEFAULT, intent="safety"), situation(), "safety_override: unsteered"),
        (inbound(EMPATHY, intent="safety"), situation(MAY_OVERRIDE), "safety_override: unsteered"),
        (inbound({**EMPATHY, "required": True}, intent="safety"), situation(MAY_OVERRIDE),
         "403 steering_off"),
        (inbound(profile="formal", intent="safety"), situation(profiles=FORMAL),
         "safety_override: unsteered"),
        (inbound(intent="safety"), situation(killed="x"), "kill_switch: unsteered"),
        # step 4: the request's own
        (inbound(EMPATHY), situation(MAY_OVERRIDE), "request: empathy@2=0.5"),
        (inbound(EMPATHY, default=DEFAULT), situation(MAY_OVERRIDE, [EVERYONE], FORMAL),
         "request: empathy@2=0.5"),
        (inbound(False, default=DEFAULT), situation(MAY_OVERRIDE), "request_off: unsteered"),
        (inbound({"vectors": {"plain": 1}}), situation(MAY_OVERRIDE), "403 steering_not_allowed"),
        (inbound({"vectors": {"nobody-has-it": 1}}), situation(MAY_OVERRIDE),
         "403 steering_not_allowed"),
        (inbound({"vectors": {"nobody-has-it": 1}}, vectors=["*"]), situation(MAY_OVERRIDE),
         "400 vector_not_found"),
        (inbound({"vectors": {"foreign": 1}}, vectors=["*"]), situation(MAY_OVERRIDE),
         "400 vector_model_mismatch"),
        (inbound({"vectors": {"empathy": 0.6}}, alpha_caps={"empathy": 0.5}),
         situation(MAY_OVERRIDE), "400 alpha_out_of_range"),
        (inbound({"vectors": {"empathy": "strong"}}, alpha_caps={"empathy": 0.5}),
         situation(MAY_OVERRIDE), "400 alpha_out_of_range"),
        (inbound({"vectors": {"empathy@1": 0.3, "empathy@2": -0.3}}, alpha_caps={"empathy": 0.5}),
         situation(MAY_OVERRIDE), "400 alpha_out_of_range"),
        (inbound({"vectors": {"empathy": 0.6, "concise": 0.6}}, dose_cap=1.0),
         situation(MAY_OVERRIDE), "400 dose_out_of_range"),
        (inbound({"vectors": {"empathy": 0.5, "concise": -0.5}}, dose_cap=1.0),
         situation(MAY_OVERRIDE), "request: empathy@2=0.5 concise@1=-0.5"),
        # step 5: profiles
        (inbound(profile="formal"), situation(profiles=FORMAL), "profile:formal: concise@1=0.3"),
        (inbound(profile="formal", default=EMPATHY), situation({}, [EVERYONE], FORMAL),
         "profile:formal: concise@1=0.3"),
        (inbound(profile="formal", vectors=["empathy"]), situation(profiles=FORMAL),
         "403 steering_not_allowed"),
        (inbound(profile="formal", alpha_caps={"concise": 0.1}), situation(profiles=FORMAL),
         "400 alpha_out_of_range"),
        (inbound(profile="formal"),
         situation(profiles={"formal": {**FORMAL["formal"], "tenants": ["other"]}}),
         "404 model_not_found"),
        (inbound(profile="gone"), situation(), "404 model_not_found"),
        # step 6: policy
        (inbound(intent="billing"), situation({}, [BILLING]), "policy:billing: empathy@2=1"),
        (inbound(intent="delivery"), situation({}, [BILLING]), "default: unsteered"),
        (inbound(intent="delivery", default=DEFAULT), situation({}, [BILLING]),
         "default: concise@1=0.2"),
        (inbound(), situation({}, [BILLING, EVERYONE]), "policy:everyone: concise@1=0.1"),
        (inbound(intent="billing", score=0.79), situation({}, [SURE, BILLING]),
         "policy:billing: empathy@2=1"),
        (inbound(intent="account", score=0.8), situation({}, [SURE, BILLING]),
         "policy:sure: empathy@2=0.3"),
        (inbound(default=DEFAULT), situation({}, [NOBODY]), "policy:nobody: unsteered"),
        (inbound(metadata={"plan": "gold"}), situation({}, [
            {"name": "gold", "when": {"metadata": {"plan": ["gold", "silver"]}},
             "steer": EMPATHY}]), "policy:gold: empathy@2=0.5"),
        (inbound(metadata={"plan": "tin"}), situation({}, [
            {"name": "gold", "when": {"metadata": {"plan": "gold"}}, "steer": EMPATHY}]),
         "default: unsteered"),
        (inbound(), situation(AB, [{"name": "a", "when": {"flag": {"ab": "a"}}, "steer": EMPATHY}]),
         "policy:a: empathy@2=0.5"),
        (inbound(), situation(AB, [{"name": "b", "when": {"flag": {"ab": "b"}}, "steer": EMPATHY}]),
         "default: unsteered"),
        (inbound(), situation(AB, [{"name": "t", "steer": {"flag": "ab"}}]),
         "policy:t: empathy@2=0.1"),
        (inbound(), situation({"ab": custom(AB["ab"].definition.variants, "b")},
                              [{"name": "t", "steer": {"flag": "ab"}}]), "policy:t: unsteered"),
        (inbound(), situation({"ab": custom(AB["ab"].definition.variants, "c")},
                              [{"name": "t", "steer": {"flag": "ab"}}]), "503 flag_value_invalid"),
        (inbound(), situation(ALPHA, [{"name": "t", "steer": {"vectors":
                              {"empathy": {"flag": "dose"}}}}]), "policy:t: empathy@2=0.2"),
        (inbound(), situation({"dose": custom({"mild": 0.2, "huge": 99}, "mild", acme="huge")},
                              [{"name": "t", "steer": {"vectors": {"empathy": {"flag": "dose"}}}}]),
         "503 alpha_out_of_range"),
        (inbound(), situation({}, [{"name": "t", "steer": {"vectors":
                              {"empathy": {"flag": "gone"}}}}]), "503 flag_value_invalid"),
        # step 7: the default; what cannot be had
        (inbound(default=DEFAULT), situation(), "default: concise@1=0.2"),
        (inbound(default={"vectors": {"foreign": 1}}, vectors=["*"]), situation(),
         "503 vector_model_mismatch"),
        (inbound(default={"vectors": {"foreign": 1}}, vectors=["*"], on_unavailable="base"),
         situation(), "default: fallback vector_model_mismatch"),
        (inbound(default={"vectors": {"plain": 1}}, on_unavailable="base"), situation(),
         "default: fallback steering_not_allowed"),
        (inbound(on_unavailable="base", alpha_caps={"empathy": 0.5}), situation({}, [
            {"name": "t", "steer": {"vectors": {"empathy": 1}}}]),
         "policy:t: fallback alpha_out_of_range"),
        # a vector's own flag
        (inbound(default=DEFAULT), situation({"vector.concise": gate("off")}),
         "flag_off: unsteered"),
        (inbound({"vectors": {"empathy": 0.5, "concise": 0.2}}),
         situation({**MAY_OVERRIDE, "vector.concise": gate("on", acme="off")}),
         "request: empathy@2=0.5"),
        (inbound({"vectors": {"empathy": 0.5, "concise": 0.2}, "required": True}),
         situation({**MAY_OVERRIDE, "vector.concise": gate("off")}), "403 steering_off"),
        (inbound({"vectors": {"concise@1": 0.2}}),
         situation({**MAY_OVERRIDE, "vector.concise": gate("off")}), "flag_off: unsteered"),
        (inbound({"vectors": {"concise@1": 0.2}, "required": True}),
         situation({**MAY_OVERRIDE, "vector.concise": gate("off")}), "403 steering_off"),
    ],
)  # fmt: skip
def test_what_is_decided(asked, given, expected):
    assert outcome(asked, given) == expected


def test_a_tenants_labels_and_users_reach_the_flags():
    tier = {"if": [{"==": [{"var": "labels.tier"}, "gold"]}, "on"]}
    flags = {"steering-override": FlagRecord.model_validate({"definition": {
        **gate("off").definition.model_dump(by_alias=True), "targeting": tier}})}  # fmt: skip
    gold = inbound(EMPATHY, labels={"tier": "gold"})
    assert outcome(gold, situation(flags)).startswith("request")
    assert outcome(inbound(EMPATHY), situation(flags)) == "403 steering_not_allowed"
    split = {"fractional": [["on", 50], ["off", 50]]}
    flags = {"steering-override": FlagRecord.model_validate({"definition": {
        **gate("off").definition.model_dump(by_alias=True), "targeting": split}})}  # fmt: skip
    outcomes = {outcome(inbound(EMPATHY, user=f"u{k}"), situation(flags)) for k in range(40)}
    assert len(outcomes) == 2
    assert len({outcome(inbound(EMPATHY), situation(flags)) for _ in range(40)}) == 1


def test_the_response_tells_variants_that_had_a_say_and_no_others():
    rules = [{"name": "a", "when": {"intent": "billing", "flag": {"ab": "a"}}, "steer": EMPATHY},
             {"name": "t", "steer": {"vectors": {"empathy": {"flag": "dose"}}}}]  # fmt: skip
    given = situation({**AB, **ALPHA, "unasked": gate("on")}, rules)
    told = resolve(inbound(intent="billing"), given).body_field()
    assert told["flags"] == {"ab": "a"}
    assert told["intent"] == {"label": "billing", "score": 0.9}
    told = resolve(inbound(intent="delivery"), given).body_field()
    assert told["flags"] == {"dose": "mild"}
    assert "flags" not in resolve(inbound(), situation()).body_field()


def test_headers_are_ascii_and_name_the_reason():
    given = situation({}, [{"name": "t", "steer": EMPATHY}])
    headers = resolve(inbound(), given).headers()
    assert headers == {"x-steering-applied": "empathy@2=0.5", "x-steering-reason": "policy:t",
                       "x-steering-revision": "7"}  # fmt: skip
    fallen = inbound(default={"vectors": {"plain": 1}}, on_unavailable="base")
    assert resolve(fallen, situation()).headers()["x-steering-fallback"] == "steering_not_allowed"


def test_every_step_is_told_in_order():
    steps = Steps()
    resolve(inbound(intent="delivery", default=DEFAULT), situation({}, [BILLING]), steps)
    assert [step.step for step in steps.steps] == [
        "tenant", "kill switch", "flag steering", "safety", "policy rule 'billing'", "default",
        "flag vector.concise", "dose",
    ]  # fmt: skip
    assert steps.steps[4].outcome == "intent is delivery"


@pytest.mark.parametrize(
    ("asked", "given", "wanted"),
    [
        (inbound(), situation(), False),  # nothing could steer
        (inbound(default=DEFAULT), situation(), True),  # it could be a safety intent
        (inbound(), situation({}, [BILLING]), True),
        (inbound(False, default=DEFAULT), situation(MAY_OVERRIDE), False),
        (inbound(default=DEFAULT), situation({"steering-intent": gate("off")}), False),
        (inbound(default=DEFAULT), situation({"steering": gate("off")}), False),
        (inbound(default=DEFAULT), situation(killed="x"), False),
        (inbound(EMPATHY), situation(MAY_OVERRIDE), True),
        (inbound(profile="formal"), situation(profiles=FORMAL), True),
    ],
)
def test_prompts_are_classified_only_where_it_can_change_the_decision(asked, given, wanted):
    assert wants_intent(asked, given) is wanted
