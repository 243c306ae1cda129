"""The real OpenFeature client gets what `FlagSet` gives, and never its default by accident."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.hook import Hook

from steersman_server.flags.definition import FlagRecord
from steersman_server.flags.evaluate import FlagSet
from steersman_server.flags.provider import FlagProvider

from .samples import ab, record

ACME = EvaluationContext("user-7", {"tenant": "acme"})
RECORDS: dict[str, FlagRecord] = {
    "text": ab(variants={"a": "one", "b": "two"}, defaultVariant="b"),
    "whole": ab(variants={"a": 1, "b": 2}, defaultVariant="b"),
    "number": ab(variants={"a": 1, "b": 2.5}, defaultVariant="b"),
    "object": ab(variants={"a": {}, "b": {"empathy": 0.4}}, defaultVariant="b"),
    "ab": ab({"acme": "strong"}),
    "steering-override": record({"acme": "on"}, defaultVariant="off"),
}


class Current:
    def __init__(self) -> None:
        self.flags = FlagSet.of(RECORDS)

    def __call__(self) -> FlagSet:
        return self.flags


@pytest.fixture
def current() -> Current:
    return Current()


@pytest.fixture
def client(current: Current) -> Iterator[OpenFeatureClient]:
    api.set_provider(FlagProvider(current), domain="steersman-test")
    yield api.get_client(domain="steersman-test")
    api.clear_providers()


def test_every_type(client: OpenFeatureClient) -> None:
    assert client.get_boolean_value("steering", False, ACME) is True
    assert client.get_string_value("text", "none", ACME) == "two"
    assert client.get_integer_value("whole", -1, ACME) == 2
    assert client.get_float_value("number", -1.0, ACME) == 2.5
    assert client.get_object_value("object", {}, ACME) == {"empathy": 0.4}


async def test_every_type_asynchronously(client: OpenFeatureClient) -> None:
    assert await client.get_boolean_value_async("steering", False, ACME) is True
    assert await client.get_string_value_async("text", "none", ACME) == "two"
    assert await client.get_integer_value_async("whole", -1, ACME) == 2
    assert await client.get_float_value_async("number", -1.0, ACME) == 2.5
    assert await client.get_object_value_async("object", {}, ACME) == {"empathy": 0.4}


def test_whole_numbers_are_floats_to_those_who_ask_for_floats(client: OpenFeatureClient) -> None:
    details = client.get_float_details("whole", -1.0, ACME)
    assert (details.value, type(details.value), details.error_code) == (2.0, float, None)


def test_the_tenant_is_an_attribute(client: OpenFeatureClient) -> None:
    details = client.get_float_details("ab", -1.0, ACME)
    assert (details.value, details.variant, details.reason) == (0.8, "strong", "OVERRIDE")
    assert details.flag_metadata == {"description": "How much empathy"}
    assert client.get_float_value("ab", -1.0, EvaluationContext("globex")) == 0.0
    assert client.get_float_value("ab", -1.0) == 0.0


def test_the_current_flags_count(client: OpenFeatureClient, current: Current) -> None:
    current.flags = FlagSet.of({"steering": record(defaultVariant="off")})
    assert client.get_boolean_value("steering", True, ACME) is False


@pytest.mark.parametrize(
    ("kind", "key", "default"),
    [
        ("boolean", "whole", True),
        ("integer", "steering", -1),
        ("integer", "number", -1),
        ("float", "steering", -1.0),
        ("string", "number", "none"),
        ("object", "text", {"none": 1}),
    ],
)
def test_another_type_is_an_error_and_the_callers_default(
    client: OpenFeatureClient, kind: str, key: str, default: Any
) -> None:
    details = getattr(client, f"get_{kind}_details")(key, default, ACME)
    assert (details.value, details.error_code) == (default, ErrorCode.TYPE_MISMATCH)


def test_a_flag_that_does_not_exist(client: OpenFeatureClient) -> None:
    details = client.get_boolean_details("nope", True, ACME)
    assert (details.value, details.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)


def test_doubt_and_disabled_are_ours_not_the_callers_default(
    client: OpenFeatureClient, current: Current
) -> None:
    failing = record(targeting={"if": [{"/": [1, 0]}, "on"]})
    current.flags = FlagSet.of({"steering": failing, "vector.a": record(state="DISABLED")})
    details = client.get_boolean_details("steering", True, ACME)
    assert (details.value, details.reason) == (False, "ERROR")
    details = client.get_boolean_details("vector.a", True, ACME)
    assert (details.value, details.reason) == (False, "DISABLED")


def test_hooks_see_evaluations(client: OpenFeatureClient) -> None:
    seen: list[Any] = []

    class Seen(Hook):
        def after(self, hook_context: Any, details: Any, hints: Any) -> None:
            seen.append((details.flag_key, details.variant))

    client.add_hooks([Seen()])
    client.get_boolean_value("steering", False, ACME)
    assert seen == [("steering", "on")]


def test_pitfall_flagd_core_takes_a_boolean_for_a_number() -> None:
    """Why types are read here and not there."""
    core = FlagdCore()
    core.set_flags(json.dumps({"flags": {"g": record().definition.model_dump(exclude_none=True)}}))
    assert core.resolve_float_value("g", -1.0, ACME).value == 1.0
