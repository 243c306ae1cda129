"""flagd files: what is read, what is refused and why, and what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steersman_server.flags.builtin import BUILT_IN, STEERING_OVERRIDE
from steersman_server.flags.evaluate import FlagSet
from steersman_server.flags.flagd_file import MAX_FILE_CHARS, as_flagd, parse_flagd
from steersman_vectors.errors import CallerError

from .samples import AB, GATE, ab, record

ACME = {"==": [{"var": "tenant"}, "acme"]}


def file(flag: dict[str, Any], key: str = "ab", **rest: Any) -> str:
    return json.dumps({"flags": {key: flag}, **rest})


def test_a_file_is_read_with_its_order_and_metadata() -> None:
    text = json.dumps(
        {
            "$schema": "https://flagd.dev/schema/v0/flags.json",
            "flags": {"ab": AB, "steering": {**GATE, "targeting": {}}},
            "metadata": {"team": "support", "description": "all"},
        }
    )
    flags = parse_flagd(text)
    assert list(flags) == ["ab", "steering"]
    assert flags["ab"].metadata == {"team": "support", "description": "How much empathy"}
    assert flags["steering"].description == "all"
    assert flags["steering"].targeting is None


def test_evaluators_are_put_where_they_are_named() -> None:
    flag = {**AB, "targeting": {"if": [{"$ref": "acme"}, "strong"]}}
    flags = parse_flagd(file(flag, **{"$evaluators": {"acme": ACME}}))
    assert flags["ab"].targeting == {"if": [ACME, "strong"]}


def deep(levels: int) -> Any:
    node: Any = True
    for _ in range(levels):
        node = {"!": [node]}
    return node


TARGETINGS: list[tuple[Any, str]] = [
    ({"log": "x"}, "unknown operator 'log'"),
    ({"reduce": [[1], 1, 1]}, "unknown operator 'reduce'"),
    ({"?:": [True, "mild", "strong"]}, "unknown operator"),
    ({"$ref": "nobody"}, "names no evaluator"),
    ({"if": [True, "loud"]}, "'loud', which is no variant"),
    ({"if": [True, True]}, "'true', which is no variant"),
    ({"fractional": [["loud", 1]]}, "'loud', which is no variant"),
    ({"fractional": []}, "needs shares"),
    ({"fractional": [["mild", 0]]}, "add up to 0"),
    ({"fractional": [["mild", 1.5]]}, "a whole number"),
    ({"fractional": [["mild", True]]}, "a whole number"),
    ({"fractional": [["mild", 2**31]]}, "add up to 2147483648"),
    ({"fractional": [{"var": "user"}, "mild"]}, "a share is"),
    ({"if": [ACME, "mild"], "else": "strong"}, "one key, its operator"),
    ({"if": [{"sem_ver": ["1.0.0", "=>", "1.0.0"]}, "mild"]}, "'sem_ver' takes"),
    ({"if": [{"starts_with": [{"var": "model"}]}, "mild"]}, "takes 2 arguments"),
    ({"map": [[1], {"map": [[1], 1]}]}, "inside another iteration"),
    ({"map": [{"map": [[1], 1]}, 1]}, "inside another iteration"),
    ({"if": [{"some": [[1], {"in": [1, list(range(40))]}]}, "mild"]}, "repeats more than 32"),
    ({"if": [deep(30), "mild"]}, "nested more than"),
    ({"if": [{"in": [1, list(range(2000))]}, "mild"]}, "more than 1024 parts"),
    ({"if": [{"*": [10**16, 1]}, "mild"]}, "a number beyond"),
    ({"if": [{"==": ["x" * 1025, 1]}, "mild"]}, "a text of 1025 characters"),
    ("strong", "should be a valid dictionary"),
]


@pytest.mark.parametrize(("targeting", "why"), TARGETINGS, ids=str)
def test_targeting_that_is_refused(targeting: Any, why: str) -> None:
    with pytest.raises(CallerError, match=why):
        parse_flagd(file({**AB, "targeting": targeting}))


DEFINITIONS: list[tuple[dict[str, Any], str]] = [
    ({"defaultVariant": "loud"}, "'loud' is no variant"),
    ({"defaultVariant": None}, "valid string"),
    ({"state": "on"}, "'ENABLED' or 'DISABLED'"),
    ({"variants": {}}, "at least 1"),
    ({"variants": {"control": 0, "mild": True}}, "of one type"),
    ({"variants": {"control": None}}, "got None"),
    ({"variants": {"control": [1]}}, r"got \[1\]"),
    ({"variants": {"con trol": 1}}, "match pattern"),
    ({"metadata": {"owner": ["me"]}}, "metadata"),
    ({"targetting": {}}, "Extra inputs"),
]


@pytest.mark.parametrize(("changes", "why"), DEFINITIONS, ids=str)
def test_definitions_that_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(CallerError, match=why):
        parse_flagd(file({**AB, **changes}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not readable as JSON"),
        ("[]", "a flagd file must be an object"),
        ("{}", "'flags' must be an object"),
        ('{"flags": {"a": {}, "a": {}}}', "'a' is there twice"),
        ('{"flags": {}, "flag": 1}', "unknown key 'flag'"),
        ('{"flags": {"a": 1}}', "flag 'a' must be an object"),
        ('{"flags": {"a": {"variants": {"x": NaN}}}}', "NaN is no JSON number"),
        ('{"flags": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep|not readable"),
        (" " * (MAX_FILE_CHARS + 1), "at most"),
        (json.dumps({"flags": {f"f{n}": AB for n in range(1001)}}), "at most 1000"),
        (json.dumps({"flags": {"My Flag": AB}}), "invalid flag key"),
        (json.dumps({"flags": {"vector.": GATE}}), "invalid vector in flag"),
        (
            file(
                {**AB, "targeting": {"if": [{"$ref": "a"}, "mild"]}},
                **{"$evaluators": {"a": {"$ref": "a"}}},
            ),
            r"unknown operator '\$ref'",
        ),
    ],
    ids=lambda text: str(text)[:30],
)
def test_files_that_are_refused(text: str, why: str) -> None:
    with pytest.raises(CallerError, match=why):
        parse_flagd(text)


@pytest.mark.parametrize("levels", [100, 400, 900])
def test_deep_targeting_is_refused_not_followed(levels: int) -> None:
    node = '{"!":[' * levels + "true" + "]}" * levels
    text = file({**AB, "targeting": "HERE"}).replace('"HERE"', node)
    with pytest.raises(CallerError):
        parse_flagd(text)


@pytest.mark.parametrize(
    "variants", [{"on": 1, "off": 0}, {"on": True}, {"on": False, "off": True}]
)
def test_built_in_flags_keep_their_variants(variants: dict[str, Any]) -> None:
    flag = {**GATE, "variants": variants}
    for key in (*BUILT_IN, "vector.empathy"):
        with pytest.raises(CallerError, match="is built in"):
            parse_flagd(file(flag, key))


def test_the_export_can_be_read_again_and_has_the_overrides_in_targeting() -> None:
    rollout = {"fractional": [["mild", 1], ["control", 1]]}
    kept = {
        "ab": ab({"globex": "mild", "acme": "strong", "initech": "mild"}, targeting=rollout),
        "steering": record({"acme": "on"}, defaultVariant="off"),
        STEERING_OVERRIDE: record({"acme": "on"}, defaultVariant="off"),
        "vector.empathy": record({"acme": "on"}, state="DISABLED"),
    }
    flags = parse_flagd(json.dumps(as_flagd(FlagSet.of(kept))))
    tenant = {"var": "tenant"}
    branches = [
        {"in": [tenant, ["globex", "initech"]]},
        "mild",
        {"in": [tenant, ["acme"]]},
        "strong",
    ]
    assert flags["ab"].targeting == {"if": [*branches, rollout]}
    assert flags["steering"].targeting is None
    assert flags[STEERING_OVERRIDE].targeting == {"if": [{"in": [tenant, ["acme"]]}, "on"]}
    assert flags["vector.empathy"].state == "DISABLED"
    assert set(BUILT_IN) <= set(flags)


def test_nulls_in_values_survive_the_export() -> None:
    kept = ab(variants={"a": {"empathy": None}, "b": {}}, defaultVariant="a")
    again = parse_flagd(json.dumps(as_flagd(FlagSet.of({"ab": kept}))))
    assert again["ab"].variants == {"a": {"empathy": None}, "b": {}}
