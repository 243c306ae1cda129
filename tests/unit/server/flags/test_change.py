"""What operators do to a flag, and that it has the effect that they expect."""

from __future__ import annotations

import pytest

from steersman_server.flags.change import redefine, set_default, set_override, set_rollout
from steersman_server.flags.definition import FlagRecord
from steersman_server.flags.evaluate import FlagSet
from steersman_server.flags.logic import may_name
from steersman_vectors.errors import CallerError

from .samples import ab, context, definition, record


def test_set_off_ends_a_rollout_and_holds_for_everybody() -> None:
    rollout = set_rollout("steering", record({"acme": "on"}), {"on": 90, "off": 10})
    flags = FlagSet.of({"steering": set_default(rollout, "off")})
    people = [context(tenant, f"user-{n}") for tenant in ("acme", "globex") for n in range(50)]
    assert not any(flags.enabled("steering", person) for person in people)


def test_set_on_again_brings_the_overrides_back() -> None:
    kept = set_default(set_default(record({"acme": "off"}), "off"), "on")
    flags = FlagSet.of({"steering": kept})
    assert not flags.enabled("steering", context("acme"))
    assert flags.enabled("steering", context("globex"))


def test_set_enables_a_disabled_flag() -> None:
    flags = FlagSet.of({"steering": set_default(record(state="DISABLED"), "on")})
    assert flags.enabled("steering", context())


def test_an_override_is_set_changed_and_taken_away() -> None:
    kept = set_override(ab(), "acme", "strong")
    assert FlagSet.of({"ab": kept}).evaluate("ab", context("acme")).value == 0.8
    assert set_override(kept, "acme", "mild").overrides == {"acme": "mild"}
    assert set_override(kept, "acme", None) == ab()
    assert set_override(kept, "globex", None) == kept


def test_changes_leave_the_record_that_they_were_given_alone() -> None:
    kept = ab({"acme": "mild"})
    text = kept.model_dump_json()
    set_default(kept, "strong")
    set_override(kept, "globex", "strong")
    set_rollout("ab", kept, {"strong": 1, "mild": 1})
    assert kept.model_dump_json() == text


def test_a_rollout_for_some_tenants_leaves_the_others_at_the_default() -> None:
    kept = set_rollout("ab", ab(), {"strong": 100, "mild": 0}, tenants=["globex", "acme"])
    flags = FlagSet.of({"ab": kept})
    found = [flags.evaluate("ab", context(t)).variant for t in ("acme", "globex", "initech")]
    assert found == ["strong", "strong", "control"]


@pytest.mark.parametrize(
    ("weights", "tenants", "code"),
    [
        ({"loud": 100}, None, "variant_not_found"),
        ({"strong": 0, "mild": 0}, None, "invalid_rollout"),
        ({"strong": -1, "mild": 2}, None, "invalid_rollout"),
        ({"strong": 2**31, "mild": 1}, None, "invalid_rollout"),
        ({}, None, "invalid_rollout"),
        ({"strong": 1, "mild": 1}, [], "invalid_rollout"),
        ({"strong": 1, "mild": 1}, ["Acme Inc"], "invalid_name"),
    ],
)
def test_rollouts_that_cannot_be_are_refused(
    weights: dict[str, int], tenants: list[str] | None, code: str
) -> None:
    with pytest.raises(CallerError) as refused:
        set_rollout("ab", ab(), weights, tenants)
    assert refused.value.code == code


@pytest.mark.parametrize("tenants", [None, ["acme"]])
def test_one_weight_alone_would_be_everybody(tenants: list[str] | None) -> None:
    with pytest.raises(CallerError) as refused:
        set_rollout("steering", record(), {"on": 10}, tenants)
    assert refused.value.code == "invalid_rollout"
    assert "give the rest as well: on=10 off=90; for everybody use" in refused.value.message


def test_unknown_variants_are_refused_with_those_there_are() -> None:
    for change in (lambda: set_default(ab(), "on"), lambda: set_override(ab(), "acme", "on")):
        with pytest.raises(CallerError, match=r"no variant 'on'; it has: control, mild, strong"):
            change()


def test_a_new_definition_keeps_the_overrides_that_still_mean_something() -> None:
    kept = ab({"acme": "strong", "globex": "mild"})
    narrower = ab(variants={"control": 0.0, "mild": 0.3}).definition
    assert redefine(kept, narrower).overrides == {"globex": "mild"}
    assert redefine(None, definition()) == FlagRecord(definition=definition())


@pytest.mark.parametrize(
    ("targeting", "named"),
    [
        (None, False),
        ({"if": [{"in": [{"var": "tenant"}, ["acme", "globex"]]}, "mild"]}, True),
        ({"if": [{"==": ["acme", {"var": ["tenant"]}]}, "mild"]}, True),
        ({"if": [{"!": {"==": [{"var": "tenant"}, "acme"]}}, "mild"]}, True),
        ({"if": [{"==": [{"var": "tenant"}, "globex"]}, "mild"]}, False),
        ({"if": [{"==": [{"var": "targetingKey"}, "acme"]}, "mild"]}, True),
        ({"if": [{"in": [{"var": "tenant"}, "globex,acme"]}, "mild"]}, True),
        ({"if": [{"in": [{"var": "tenant"}, "globex,initech"]}, "mild"]}, False),
        ({"if": [{"==": [{"var": "labels.acme"}, "gold"]}, "mild"]}, False),
        ({"if": [{"==": [{"var": ["acme"]}, "gold"]}, "mild"]}, False),
    ],
)
def test_targeting_that_may_name_a_tenant_is_found(targeting: object, named: bool) -> None:
    assert may_name(targeting, "acme") is named
