"""What a change breaks of what was written before is told, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from steersman_server.configuration import Configuration
from steersman_server.control import effects
from steersman_server.control.effects import MAX_TOLD, World, asks, broken, may_name, of_profile
from steersman_vectors.registry.entry import Retirement
from steersman_vectors.registry.snapshot import RegistrySnapshot
from tests.unit.server.samples import MODEL, SNAPSHOT

RETIRED = Retirement(datetime(2026, 1, 1, tzinfo=UTC), "ann", "")
DIAL = {"vectors": {"empathy": {"flag": "dose"}}}


def flag(variants: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(variants))
    return {"definition": {"state": "ENABLED", "variants": variants, "defaultVariant": first}}


def world(snapshot: RegistrySnapshot = SNAPSHOT, **documents: Any) -> World:
    """With an underscore for the slash: `flag_dose` is the document flag/dose."""
    texts = {name.replace("_", "/", 1): json.dumps(each) for name, each in documents.items()}
    return World(Configuration.of(texts), snapshot)


USERS = {
    "tenant_acme": {"vectors": ["*"], "alpha_caps": {"empathy": 0.5}, "default": DIAL},
    "tenant_other": {"vectors": ["*"]},
    "policy_acme": {
        "rules": [
            {"name": "low", "when": {"flag": {"dose": "low"}}, "steer": False},
            {"name": "rest", "when": {"metadata": {"a": "b"}}, "steer": DIAL},
            {"name": "fixed", "when": {"profile": "warm"}, "steer": {"vectors": {"empathy": 9}}},
        ]
    },
    "policy_local": {"rules": [{"name": "all", "steer": DIAL}]},
    "profile_warm": {"steer": DIAL, "tenants": ["acme", "other"]},
}


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ({"low": 0.2, "high": 0.4}, []),
        (
            {"low": 0.2, "high": 0.8},
            [
                "tenant 'acme', default: alpha 0.8",
                "tenant 'acme', rule 'rest': alpha 0.8",
                "profile 'warm', tenant 'acme': alpha 0.8",
            ],
        ),
        ({"mild": 0.2}, ["tenant 'acme', rule 'low': flag 'dose' has no variant 'low'"]),
        (
            {"low": "huge"},
            [
                "tenant 'acme', default: vector 'empathy' has no preset 'huge'",
                "tenant 'acme', rule 'rest': vector 'empathy' has no preset 'huge'",
                "tenant 'local', rule 'all': vector 'empathy' has no preset 'huge'",
                "profile 'warm': vector 'empathy' has no preset 'huge'",
            ],
        ),
    ],
)
def test_what_a_flags_new_variants_break(variants: dict[str, Any], said: list[str]) -> None:
    before = world(**USERS, flag_dose=flag({"low": 0.1, "high": 0.5}))
    after = world(**USERS, flag_dose=flag(variants))
    found = broken(before, after, (MODEL,), asks(["dose"]))
    assert len(found) == len(said), found
    for problem, text in zip(found, said, strict=True):
        assert problem.startswith(text)
    assert broken(after, after, (MODEL,), asks(["dose"])) == ()
    assert broken(before, after, (MODEL,), asks(["other"])) == ()


def test_a_profile_for_everybody_is_told_for_those_whose_caps_forbid_it() -> None:
    users = {**USERS, "tenant_same": USERS["tenant_acme"], "profile_warm": {"steer": DIAL}}
    before = world(**users, flag_dose=flag({"low": 0.1}))
    after = world(**users, flag_dose=flag({"low": 0.8}))
    found = broken(before, after, (MODEL,), asks(["dose"]))
    assert [told.partition(":")[0] for told in found if "profile" in told] == [
        "profile 'warm', tenant 'acme'",
        "profile 'warm', tenant 'same'",
    ]


def retired(*numbers: int) -> RegistrySnapshot:
    return SNAPSHOT.updated(
        9, (), {}, {(MODEL, "empathy", number): RETIRED for number in numbers}, SNAPSHOT.history
    )


def test_what_a_retirement_breaks() -> None:
    steer = {"newest": "empathy", "pinned": "empathy@1", "alias": "empathy@prod", "not": "concise"}
    rules = [
        *(
            {"name": k, "when": {"metadata": {"k": k}}, "steer": {"vectors": {v: 0.1}}}
            for k, v in steer.items()
        ),
        {"name": "by-flag", "steer": {"flag": "tone"}},
    ]
    tone = flag({"a": {"vectors": {"empathy@1": 0.1}}})
    before = world(policy_local={"rules": rules}, flag_tone=tone)

    def told(*numbers: int) -> list[str]:
        after = replace(before, snapshot=retired(*numbers))
        found = broken(before, after, (MODEL,), may_name("empathy"))
        assert all("retired" in problem for problem in found)
        return [problem.split("'")[3] for problem in found]

    assert told(1) == ["pinned", "alias", "by-flag"]
    assert told(2) == []  # the newest that is left
    assert told(1, 2) == ["newest", "pinned", "alias", "by-flag"]


def test_what_a_profile_that_is_gone_breaks() -> None:
    documents = {**USERS, "flag_dose": flag({"low": 0.1})}
    before = world(**documents)
    after = world(**{k: v for k, v in documents.items() if k != "profile_warm"})
    (told,) = broken(before, after, (MODEL,), of_profile("warm"))
    assert told == "tenant 'acme', rule 'fixed': no profile 'warm'; there are: none"


def test_of_very_many_problems_the_first_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([[], [f"problem {k}" for k in range(MAX_TOLD + 7)]])
    monkeypatch.setattr(effects, "_problems", lambda *_: next(found))
    told = broken(world(), world(), (), asks([]))
    assert (len(told), told[-1]) == (MAX_TOLD + 1, "and 7 more")
