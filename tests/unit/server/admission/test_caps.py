"""No combination of what a request may say exceeds a cap or names what is not allowed."""

from __future__ import annotations

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from steersman_server.admission.inbound import Caller, Inbound
from steersman_server.admission.request import parse_steering
from steersman_server.admission.resolve import Situation, resolve
from steersman_server.configuration import Configuration
from steersman_server.flags.evaluate import FlagSet
from steersman_server.policies.policy import Policy
from steersman_server.policies.profile import Profile
from steersman_server.tenants.tenant import Tenant
from steersman_vectors.errors import CallerError, SteersmanError
from tests.unit.server.admission.test_steps import custom, gate
from tests.unit.server.samples import ENGINE, ENTRIES, SNAPSHOT

NAMES = st.sampled_from(
    [
        "empathy",
        "empathy@1",
        "empathy@2",
        "empathy@prod",
        "concise",
        "concise@1",
        "plain",
        "foreign",
    ]
)
ALPHAS = st.one_of(
    st.floats(-3, 3), st.sampled_from([0.5, -0.5, 1e-300, 1e300, 0.0, -0.0, math.inf, math.nan])
)
DIALS = st.one_of(ALPHAS, st.sampled_from(["low", "strong", "none"]))
FIELDS = st.one_of(
    st.none(),
    st.just(False),
    st.fixed_dictionaries(
        {"vectors": st.dictionaries(NAMES, DIALS, max_size=4)},
        optional={
            "scope": st.sampled_from(["assistant", "generation", "all"]),
            "schedule": st.just({"kind": "linear", "tokens": 3, "floor": 0.5}),
            "required": st.booleans(),
        },
    ),
)
CAPS = st.dictionaries(st.sampled_from(["empathy", "concise"]), st.floats(0.05, 2), max_size=2)
OPERATORS = st.dictionaries(NAMES, st.floats(-3, 3) | st.just("low"), min_size=1, max_size=3)
TENANTS = st.builds(
    lambda vectors, caps, dose, default, policy: Tenant.model_validate(
        {"vectors": vectors, "alpha_caps": caps, "dose_cap": dose, "on_unavailable": policy,
         "default": default and {"vectors": default}}),
    st.lists(st.sampled_from(["empathy", "concise", "plain", "*"]), max_size=3),
    CAPS, st.none() | st.floats(0.05, 2), st.none() | OPERATORS, st.sampled_from(["fail", "base"]),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    field=FIELDS, tenant=TENANTS, steer=OPERATORS, alpha=ALPHAS,
    profile=st.none() | st.just("p"), override=st.booleans(),
)  # fmt: skip
@example(
    field={"vectors": {"empathy@1": 0.5, "empathy@2": 0.5}},
    tenant=Tenant(vectors=("*",), alpha_caps={"empathy": 0.5}), steer={"empathy": 1.0}, alpha=1.0,
    profile=None, override=True,
)  # fmt: skip
def test_what_is_applied_is_within_every_limit(field, tenant, steer, alpha, profile, override):
    dose = custom({"on": alpha if math.isfinite(alpha) else 1e308}, "on")
    configuration = Configuration(
        flags=FlagSet.of({"steering-override": gate("on" if override else "off"), "dose": dose}),
        policies={"acme": Policy.model_validate({"rules": [
            {"name": "r", "when": {"metadata": {"k": "v"}}, "steer": {"vectors": steer}},
            {"name": "d", "steer": {"vectors": {"empathy": {"flag": "dose"}}}},
        ]})},
        profiles={"p": Profile.model_validate({"steer": {"vectors": steer}})},
    )  # fmt: skip
    by_digest = {entry.digest: entry for entry in ENTRIES}
    for metadata in ({}, {"k": "v"}):
        try:
            asked = Inbound(Caller("acme", tenant), parse_steering(field), profile, metadata)
        except CallerError:
            return  # refused before anybody looks at limits
        try:
            decision = resolve(asked, Situation(SNAPSHOT, configuration, ENGINE))
        except SteersmanError:
            continue
        terms = () if decision.plan is None else decision.plan.terms
        if field is not None and not override:
            raise AssertionError("a request named its steering without the flag")
        assert {d for d, a in terms} == {v.digest for v in decision.applied if v.alpha != 0}
        total: dict[str, float] = {}
        for digest, applied in terms:
            entry = by_digest[digest]
            assert math.isfinite(applied)
            assert entry.fingerprint == ENGINE.fingerprint
            assert tenant.allows(entry.name)
            assert entry.card.alpha_max is None or abs(applied) <= entry.card.alpha_max
            total[entry.name] = total.get(entry.name, 0.0) + abs(applied)
        for name, amount in total.items():
            assert amount <= tenant.alpha_caps.get(name, math.inf) * (1 + 1e-12)
        assert tenant.dose_cap is None or sum(total.values()) <= tenant.dose_cap * (1 + 1e-12)
