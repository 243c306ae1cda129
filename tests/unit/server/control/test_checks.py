"""What is told of a policy before it is in force, against admission itself."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steersman_server.admission.choice import first_rule
from steersman_server.admission.inbound import Caller, Inbound
from steersman_server.admission.resolve import Situation, resolve
from steersman_server.admission.trace import SILENT
from steersman_server.configuration import Configuration
from steersman_server.control.checks import (
    MAX_COMBINATIONS,
    _variants,
    covers,
    policy_problems,
    steering_problems,
)
from steersman_server.flags.evaluation import Evaluation
from steersman_server.intent.contract import Intent
from steersman_server.policies.policy import Policy, Rule, When
from steersman_server.policies.steering import Steering
from steersman_server.tenants.tenant import Tenant
from steersman_vectors.errors import SteersmanError
from steersman_vectors.registry.snapshot import RegistrySnapshot
from tests.unit.server.samples import ENGINE, ENTRIES, MODEL, OTHER_MODEL, SNAPSHOT, entry

# --- covers, against every request of a small world ---------------------------------------------

VALUES = ("a", "b", "c")
"""`c` stands for what no condition names: another intent, another profile, ..."""
ONE_OF = st.sets(st.sampled_from(VALUES[:2]), min_size=1).map(lambda found: tuple(sorted(found)))


@st.composite
def conditions(draw: st.DrawFn) -> When:
    intent = draw(st.none() | ONE_OF)
    score = draw(st.none() | st.sampled_from([0.0, 0.3, 0.7])) if intent is not None else None
    keys = st.sampled_from(["x", "y"])
    return When(
        intent=intent,
        min_score=score,
        profile=draw(st.none() | ONE_OF),
        flag=draw(st.dictionaries(keys, ONE_OF, max_size=2)),
        metadata=draw(st.dictionaries(keys, ONE_OF, max_size=2)),
    )


def holds(when: When, inbound: Inbound, flags: dict[str, str]) -> bool:
    """Whether admission finds that the condition holds."""

    def ask(flag: str) -> Evaluation:
        return Evaluation(flag, flags[flag], flags[flag], "static")

    policy = Policy(rules=(Rule(name="only", when=when, steer=False),))
    return first_rule(policy, inbound, ask, SILENT) is not None


CALLER = Caller("acme", Tenant())
INTENTS = [None, *(Intent(v, s, v, "test") for v in VALUES for s in (0.0, 0.1, 0.3, 0.5, 0.7, 1.0))]
METADATA = [
    {k: v for k, v in (("x", x), ("y", y)) if v is not None}
    for x, y in product((None, *VALUES), repeat=2)
]


def a_counterexample(first: When, second: When) -> bool:
    """Whether a request meets `second` and not `first`; dimensions one at a time, being apart.

    A request fails `first` in one dimension at least; the others are then free to meet `second`.
    """
    meets = Inbound(
        CALLER,
        None,
        profile=second.profile[0] if second.profile else None,
        metadata={k: v[0] for k, v in second.metadata.items()},
        intent=Intent(second.intent[0] if second.intent else "c", 1.0, None, "test"),
    )
    flags = {k: "c" for k in ("x", "y")} | {k: v[0] for k, v in second.flag.items()}
    assert holds(second, meets, flags)
    worlds = [
        *((Inbound(CALLER, None, meets.profile, meets.metadata, None, i), flags) for i in INTENTS),
        *((Inbound(CALLER, None, p, meets.metadata, None, meets.intent), flags)
          for p in (None, *VALUES)),
        *((Inbound(CALLER, None, meets.profile, m, None, meets.intent), flags) for m in METADATA),
        *((meets, {"x": x, "y": y}) for x, y in product(VALUES, repeat=2)),
    ]  # fmt: skip
    return any(holds(second, i, f) and not holds(first, i, f) for i, f in worlds)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[When, When]:
    """Two conditions, of which the second mostly names what the first does, and something else."""
    first, other = draw(conditions()), draw(conditions())
    parts = set(draw(st.lists(st.sampled_from(["intent", "profile", "flag", "metadata"]))))
    fields = {name: getattr(other if name in parts else first, name) for name in When.model_fields}
    fields["min_score"] = None
    if fields["intent"] is not None:
        fields["min_score"] = draw(st.sampled_from([first.min_score, other.min_score, 0.3, 0.7]))
    return first, When(**fields)


@given(pairs())
@example((When(intent="a", min_score=0.3), When(intent="a", min_score=0.3)))
@example((When(intent="a"), When(intent="b")))
@example((When(intent=("a", "b")), When(intent="b")))
@example((When(metadata={"x": "a"}), When(metadata={"x": ("a", "b")})))
def test_covers_is_that_no_request_gets_past(both: tuple[When, When]) -> None:
    first, second = both
    assert covers(first, second) == (not a_counterexample(first, second))


@given(st.lists(conditions(), min_size=2, max_size=4))
def test_a_rule_that_is_called_unreachable_never_decides(whens: list[When]) -> None:
    rules = tuple(Rule(name=f"r{k}", when=when, steer=False) for k, when in enumerate(whens))
    unreachable = {
        rule.name
        for k, rule in enumerate(rules)
        if any(covers(earlier.when, rule.when) for earlier in rules[:k])
    }
    for intent, profile, metadata, x in product(
        INTENTS[::3], (None, "a", "b"), METADATA[::3], "ab"
    ):
        inbound = Inbound(CALLER, None, profile, metadata, None, intent)
        found = first_rule(
            Policy(rules=rules), inbound, lambda f, x=x: Evaluation(f, x, x, "static"), SILENT
        )
        assert found is None or found.name not in unreachable


# --- problems -----------------------------------------------------------------------------------

FLAG = {
    "dose": {"state": "ENABLED", "variants": {"low": 0.3, "high": 0.8}, "defaultVariant": "low"},
    "other": {"state": "ENABLED", "variants": {"low": 0.1, "high": 0.8}, "defaultVariant": "low"},
    "tone": {
        "state": "ENABLED",
        "variants": {
            "fine": {"vectors": {"empathy": 0.3}},
            "much": {"vectors": {"empathy": 0.3, "concise": 0.9}},
            "wrong": {"empathy": 0.3},
        },
        "defaultVariant": "fine",
    },
    "word": {"state": "ENABLED", "variants": {"a": "low", "b": "huge"}, "defaultVariant": "a"},
}
NOW = Configuration.of(
    {
        **{f"flag/{k}": json.dumps({"definition": v}) for k, v in FLAG.items()},
        "profile/warm": json.dumps({"steer": {"vectors": {"empathy": 0.1}}}),
    }
)
ACME = Tenant(vectors=("empathy", "concise"), alpha_caps={"empathy": 0.5}, dose_cap=1.0)


def problems(steer: Any, tenant: Tenant = ACME, models: tuple[str, ...] = (MODEL,)) -> list[str]:
    return steering_problems(Steering.model_validate(steer), tenant, NOW, SNAPSHOT, models)


@pytest.mark.parametrize(
    ("steer", "said"),
    [
        ({"vectors": {"empathy": 0.5, "concise": "low"}, "schedule": {"kind": "constant"}}, []),
        ({"vectors": {"empathy": 0.6}}, ["cap allows |alpha| <= 0.5"]),
        ({"vectors": {"empathy": -0.6}}, ["cap allows |alpha| <= 0.5"]),
        ({"vectors": {"empathy": 0.5, "concise": -0.6}}, ["combined dose 1.1"]),
        ({"vectors": {"plain": 0.1}}, ["may not use vector 'plain'"]),
        ({"vectors": {"empathy@9": 0.1}}, ["empathy@9"]),
        ({"vectors": {"empathy": "huge"}}, ["no preset 'huge'"]),
        ({"vectors": {"Bad Name": 0.1}}, ["Bad Name"]),
        ({"flag": "nope"}, ["no flag 'nope'"]),
        ({"vectors": {"empathy": {"flag": "nope"}}}, ["no flag 'nope'"]),
        ({"vectors": {"empathy": {"flag": "dose"}}}, ["alpha 0.8"]),
        ({"vectors": {"concise": {"flag": "dose"}}}, []),
        ({"vectors": {"concise": {"flag": "word"}}}, ["no preset 'huge'"]),
        ({"flag": "tone"}, ["combined dose 1.2", "variant 'wrong' of flag 'tone'"]),
        ({"vectors": {"concise": {"flag": "tone"}}}, ["'fine'", "'much'", "'wrong'"]),
        ({"vectors": {"empathy": {"flag": "steering"}}}, ["variant 'on'"]),
        ({"vectors": {"empathy": {"flag": "vector."}}}, ["needs its name"]),
    ],
)
def test_steering(steer: Any, said: list[str]) -> None:
    found = problems(steer)
    assert len(found) == len(said), found
    for text in said:
        assert any(text in problem for problem in found), found


def test_variants_of_several_flags_are_tried_together() -> None:
    """low+low, and high+high, which exceeds; and low+high: no pair of positions has that."""
    steer = {"vectors": {"concise": {"flag": "dose"}, "calibrated": {"flag": "other"}},
             "scope": "all", "schedule": {"kind": "constant"}}  # fmt: skip
    found = problems(steer, Tenant(vectors=("*",), dose_cap=1.0))
    assert sorted(p.split("combined dose ")[1][:3] for p in found) == ["1.1", "1.6"]


def test_one_base_model_is_enough_unless_it_is_named() -> None:
    anything = Tenant(vectors=("*",))
    assert problems({"vectors": {"foreign": 0.1}}, anything, ()) == []
    assert problems({"vectors": {"foreign": 0.1}}, anything, (OTHER_MODEL,)) == []
    assert "another base model" in problems({"vectors": {"foreign": 0.1}}, anything)[0]
    both = {"vectors": {"foreign": 0.1, "plain": 0.1}}
    assert len(problems(both, anything, ())) == 1
    assert len(problems(both, anything, (MODEL, OTHER_MODEL))) == 2
    snapshot = RegistrySnapshot.of(
        8,
        [
            *ENTRIES,
            entry("plain", fingerprint=OTHER_MODEL),
            entry("newer", fingerprint=OTHER_MODEL),
        ],
    )
    upgraded = Steering.model_validate({"vectors": {"plain": 0.1, "newer": 0.1}})
    assert steering_problems(upgraded, anything, NOW, snapshot, ()) == []
    assert len(steering_problems(upgraded, anything, NOW, snapshot, (MODEL,))) == 1
    (unknown,) = problems({"vectors": {"empthy": 0.1}}, anything, ())
    assert "empathy" in unknown


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({}, None),
        ({"intent": "billing", "profile": "warm", "flag": {"dose": "low"}}, None),
        ({"intent": "weather"}, "knows no intent 'weather'"),
        ({"profile": "cold"}, "no profile 'cold'; there are: warm"),
        ({"flag": {"nope": "on"}}, "no flag 'nope'"),
        ({"flag": {"dose": "middle"}}, "no variant 'middle'; it has: low, high"),
        ({"flag": {"steering": "maybe"}}, "no variant 'maybe'; it has: on, off"),
        ({"flag": {"vector.empathy": "on"}}, None),
        ({"metadata": {"ch": "z" * 512}}, None),
        ({"metadata": {"ch": ["web", "z" * 600]}}, "no request has a value of 600 characters"),
    ],
)
def test_conditions(when: Any, said: str | None) -> None:
    policy = Policy.model_validate({"rules": [{"name": "r", "when": when, "steer": False}]})
    found = policy_problems(policy, ACME, NOW, SNAPSHOT, (MODEL,), ("billing", "account"))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_combinations_are_tried_up_to_a_bound() -> None:
    """Of 10,000: every variant of every flag, and a bounded number of combinations."""
    variants = {f"v{k}": k / 10 for k in range(10)}
    flags = {
        f"flag/f{k}": json.dumps({"definition": {**FLAG["dose"], "variants": variants,
                                                 "defaultVariant": "v0"}})
        for k in range(4)
    }  # fmt: skip
    names = ("empathy", "concise", "plain", "calibrated")
    steer = Steering.model_validate(
        {"vectors": {n: {"flag": f"f{k}"} for k, n in enumerate(names)}}
    )
    tried = list(_variants(steer, Configuration.of(flags)))
    assert len(tried) == 10 + MAX_COMBINATIONS == 310
    for key in steer.flags:
        assert {each[key].variant for each in tried} == set(variants)


def test_a_rule_of_safety_intents_alone_is_never_reached() -> None:
    def found(intent: Any) -> list[str]:
        rules = [{"name": "r", "when": {"intent": intent}, "steer": False}]
        policy = Policy.model_validate({"rules": rules})
        known = ("billing", "safety")
        return policy_problems(policy, ACME, NOW, SNAPSHOT, (MODEL,), known, ("safety",))

    assert found("billing") == found(["billing", "safety"]) == []
    (told,) = found("safety")
    assert "never reached" in told


def test_every_rule_is_told_with_its_name() -> None:
    rules = [
        {"name": "all", "steer": {"vectors": {"empathy": 0.6}}},
        {"name": "late", "when": {"intent": "weather"}, "steer": False},
        {"name": "cold", "when": {"profile": "cold"}, "steer": False},
    ]
    found = policy_problems(
        Policy.model_validate({"rules": rules}), ACME, NOW, SNAPSHOT, (MODEL,), ()
    )
    names = [p.split(":")[0] for p in found]
    assert names == ["rule 'all'", "rule 'late'", "rule 'late'", "rule 'cold'"]
    assert "never reached: 'all'" in found[2]
    assert "no profile 'cold'" in found[3]


DIALS = st.floats(-1, 1) | st.sampled_from(["low", "huge"]) | st.sampled_from(
    [{"flag": "dose"}, {"flag": "word"}, {"flag": "other"}]
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["empathy", "concise", "plain", "foreign"]), DIALS, min_size=1),
    st.sampled_from([{}, {"dose": "high"}, {"other": "high", "word": "b"}, {"dose": "high",
                     "other": "high"}]),
)  # fmt: skip
def test_what_has_no_problem_is_applied_whatever_the_variants(
    vectors: Any, overrides: dict[str, str]
) -> None:
    steer = {"vectors": vectors, "scope": "all", "schedule": {"kind": "constant"}}
    if problems(steer):
        return
    documents = {
        **{f"flag/{k}": json.dumps(
            {"definition": v, "overrides": {"acme": overrides[k]} if k in overrides else {}}
        ) for k, v in FLAG.items()},
    }  # fmt: skip
    tenant = ACME.model_copy(update={"default": Steering.model_validate(steer)})
    situation = Situation(SNAPSHOT, Configuration.of(documents), ENGINE)
    try:
        decision = resolve(Inbound(Caller("acme", tenant), None), situation)
    except SteersmanError as error:
        raise AssertionError(f"{steer} was said to be right: {error.message}") from error
    assert decision.reason == "default"
