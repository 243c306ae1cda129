"""An explanation says what was looked at and what came of it."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from steersman_server.flags.context import FlagContext
from steersman_server.flags.evaluate import FlagSet

from .samples import ab, context, record


def outcomes(flags: FlagSet, key: str, asked: FlagContext) -> dict[str, Any]:
    return {step.what: step.outcome for step in flags.explain(key, asked)}


def test_an_override() -> None:
    flags = FlagSet.of({"ab": ab({"acme": "mild"}, targeting={"fractional": [["strong", 1]]})})
    assert outcomes(flags, "ab", context("acme")) == {
        "state": "enabled",
        "override": "mild",
        "targeting": "not asked",
        "result": {"variant": "mild", "value": 0.4, "reason": "override"},
    }


def test_an_override_without_a_say() -> None:
    flags = FlagSet.of({"steering": record({"acme": "on"}, defaultVariant="off")})
    steps = outcomes(flags, "steering", context("acme"))
    assert steps["state"] == "switched off for everybody; overrides have no say"
    assert steps["override"] == "on, ignored"
    assert steps["result"] == {"variant": "off", "value": False, "reason": "static"}


def test_a_disabled_flag() -> None:
    flags = FlagSet.of({"steering": record({"acme": "on"}, state="DISABLED")})
    steps = outcomes(flags, "steering", context("acme"))
    assert steps["state"] == "disabled: off for everybody"
    assert steps["override"] == "on, ignored"


def test_the_bucket_of_a_rollout() -> None:
    shares: JsonValue = [["on", 10], ["off", 90]]
    flags = FlagSet.of({"vector.r": record(targeting={"if": [True, {"fractional": shares}]})})
    steps = outcomes(flags, "vector.r", context("acme", "user-7"))
    assert steps["fractional"] == {
        "bucket": 12,
        "of": 100,
        "ranges": [
            {"variant": "on", "from": 0, "to": 10},
            {"variant": "off", "from": 10, "to": 100},
        ],
    }
    assert steps["targeting"] == "off"


def test_a_rollout_without_anybody_to_bucket() -> None:
    targeting = {"fractional": [{"var": "labels.seat"}, ["strong", 1]]}
    steps = outcomes(FlagSet.of({"ab": ab(targeting=targeting)}), "ab", context())
    assert steps["fractional"] == "no bucket: nothing to bucket by"
    assert steps["targeting"] is None
    assert steps["result"]["reason"] == "default"


def test_errors_say_which() -> None:
    divided = FlagSet.of({"ab": ab(targeting={"if": [{"/": [1, 0]}, "strong"]})})
    steps = outcomes(divided, "ab", context())
    assert steps["targeting"].startswith("error: ZeroDivisionError")
    assert steps["result"] == {"variant": "control", "value": 0.0, "reason": "error"}
    computed = FlagSet.of({"ab": ab(targeting={"cat": ["lo", "ud"]})})
    assert outcomes(computed, "ab", context())["targeting"] == "error: 'loud' is no variant"


def test_flags_that_nobody_changed_and_that_do_not_exist() -> None:
    flags = FlagSet.of({})
    assert outcomes(flags, "vector.empathy", context())["result"]["variant"] == "on"
    steps = outcomes(flags, "ab", context())
    assert "steering-intent" in steps["flag"]
    assert steps["result"] == {"variant": "", "value": None, "reason": "error"}
