"""The order of rules, above all what a rollback can rely on."""

from __future__ import annotations

import logging

import pytest
from pydantic import JsonValue

from steersman_server.flags.context import FlagContext
from steersman_server.flags.definition import FlagRecord
from steersman_server.flags.evaluate import Evaluation, FlagSet

from .samples import ab, context, record

GATES = ["steering", "steering-override", "steering-intent", "vector.empathy"]
FINAL_GATES = ["steering", "steering-intent", "vector.empathy"]
FAILING = {"if": [{"/": [1, {"var": "labels.zero"}]}, "on", "on"]}


def test_built_in_flags_without_records() -> None:
    flags = FlagSet.of({})
    assert flags.evaluate("steering", context()) == Evaluation("steering", "on", True, "static")
    assert flags.enabled("steering-intent", context())
    assert not flags.enabled("steering-override", context())
    assert flags.enabled("vector.never-heard-of", context())


def test_a_flag_that_does_not_exist_is_an_error_and_not_enabled() -> None:
    flags = FlagSet.of({})
    assert flags.evaluate("empathy-test", context()) == Evaluation(
        "empathy-test", "", None, "error"
    )
    assert not flags.enabled("empathy-test", context())


@pytest.mark.parametrize("key", FINAL_GATES)
def test_off_for_everybody_is_off_for_tenants_with_an_override_too(key: str) -> None:
    flags = FlagSet.of({key: record({"acme": "on"}, defaultVariant="off")})
    assert flags.evaluate(key, context("acme")) == Evaluation(key, "off", False, "static")


def test_steering_override_is_off_for_everybody_and_on_for_a_few() -> None:
    flags = FlagSet.of({"steering-override": record({"acme": "on"}, defaultVariant="off")})
    assert flags.enabled("steering-override", context("acme"))
    assert not flags.enabled("steering-override", context("globex"))


@pytest.mark.parametrize("key", GATES)
def test_a_tenant_can_be_switched_off_alone(key: str) -> None:
    flags = FlagSet.of({key: record({"acme": "off"})})
    assert flags.evaluate(key, context("acme")).reason == "override"
    assert not flags.enabled(key, context("acme"))
    assert flags.enabled(key, context("globex"))


@pytest.mark.parametrize("key", GATES)
def test_an_override_wins_over_a_rollout(key: str) -> None:
    nobody = {"fractional": [["on", 0], ["off", 100]]}
    flags = FlagSet.of({key: record({"acme": "on"}, targeting=nobody, defaultVariant="off")})
    assert flags.enabled(key, context("acme"))
    assert not flags.enabled(key, context("globex"))


@pytest.mark.parametrize("key", GATES)
def test_a_disabled_gate_is_off_for_everybody(key: str) -> None:
    flags = FlagSet.of({key: record({"acme": "on"}, state="DISABLED")})
    assert flags.evaluate(key, context("acme")) == Evaluation(key, "off", False, "disabled")


def test_a_disabled_flag_of_ones_own_has_its_default_variant() -> None:
    flags = FlagSet.of({"ab": ab({"acme": "strong"}, state="DISABLED")})
    assert flags.evaluate("ab", context("acme")) == Evaluation("ab", "control", 0.0, "disabled")


@pytest.mark.parametrize("key", GATES)
def test_a_gate_in_doubt_is_off(key: str) -> None:
    flags = FlagSet.of({key: record(targeting=FAILING)})
    zero = context(labels={"zero": 0})
    assert flags.evaluate(key, zero) == Evaluation(key, "off", False, "error")
    assert flags.enabled(key, context(labels={"zero": 1}))


def test_a_flag_of_ones_own_in_doubt_has_its_default_variant() -> None:
    targeting = {"cat": ["str", {"var": "labels.rest"}]}
    flags = FlagSet.of({"ab": ab(targeting=targeting)})
    assert flags.evaluate("ab", context(labels={"rest": "ong"})).variant == "strong"
    wrong = flags.evaluate("ab", context(labels={"rest": "ange"}))
    assert wrong == Evaluation("ab", "control", 0.0, "error")


def test_targeting_that_gives_null_means_the_default() -> None:
    targeting = {"if": [{"==": [{"var": "tenant"}, "acme"]}, "strong"]}
    flags = FlagSet.of({"ab": ab(targeting=targeting)})
    assert flags.evaluate("ab", context("acme")).reason == "targeting_match"
    assert flags.evaluate("ab", context("globex")) == Evaluation("ab", "control", 0.0, "default")


def test_a_request_cannot_pose_as_another_tenant() -> None:
    targeting = {"if": [{"==": [{"var": "tenant"}, "acme"]}, "strong"]}
    flags = FlagSet.of({"ab": ab(targeting=targeting)})
    posing = FlagContext("globex", "acme", {"tenant": "acme"})
    assert flags.evaluate("ab", posing).variant == "control"


@pytest.mark.parametrize(
    "variants",
    [{"on": "yes", "off": "no"}, {"on": True}, {"on": 1, "off": 0}, {"on": True, "x": True}],
)
def test_a_gate_with_foreign_variants_is_off(variants: dict[str, JsonValue]) -> None:
    for state in ("ENABLED", "DISABLED"):
        strange = ab({"acme": "on"}, variants=variants, defaultVariant="on", state=state)
        flags = FlagSet.of({"steering": strange})
        assert not flags.enabled("steering", context("acme"))
        assert flags.explain("steering", context("acme"))[-1].outcome["variant"] == "off"


def test_outcomes_that_are_truth_values_name_variants_as_in_flagd() -> None:
    targeting = {"==": [{"var": "tenant"}, "acme"]}
    truth = ab(variants={"true": 1.0, "false": 0.0}, defaultVariant="false", targeting=targeting)
    flags = FlagSet.of({"ab": truth})
    assert flags.evaluate("ab", context("acme")).value == 1.0
    assert flags.evaluate("ab", context("globex")).reason == "targeting_match"


def test_versions_that_callers_made_up_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    targeting = {"if": [{"sem_ver": [{"var": "labels.version"}, ">=", "1.2.0"]}, "on", "off"]}
    flags = FlagSet.of({"vector.empathy": record(targeting=targeting)})
    with caplog.at_level(logging.DEBUG):
        assert not flags.enabled("vector.empathy", context(labels={"version": "latest"}))
    assert caplog.records == []


def test_records_survive_their_json() -> None:
    kept = ab({"acme": "mild"}, targeting={"fractional": [["strong", 1], ["control", 9]]})
    again = FlagRecord.model_validate_json(kept.model_dump_json())
    assert again == kept
    assert list(again.definition.variants) == list(kept.definition.variants)
