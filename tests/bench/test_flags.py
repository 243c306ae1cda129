"""What a flag costs a request, in microseconds: asked directly, and through OpenFeature's client.

Writes `docs/benchmarks/flags.json` and `.md`.
"""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.tools.flagd.core import FlagdCore

from steersman_server.flags.builtin import gate
from steersman_server.flags.change import set_override, set_rollout
from steersman_server.flags.context import FlagContext
from steersman_server.flags.definition import FlagDefinition, FlagRecord
from steersman_server.flags.evaluate import FlagSet
from steersman_server.flags.flagd_file import as_flagd
from steersman_server.flags.provider import FlagProvider
from tests.bench.pages import machine, write

pytestmark = pytest.mark.bench

TENANTS, VECTORS = 1000, 1000
CONTEXT = FlagContext(
    "acme", "user-7", {"labels": {"version": "1.4.2"}, "model": "demo-model", "profile": "formal"}
)
RULE: dict[str, Any] = {
    "if": [
        {
            "and": [
                {"sem_ver": [{"var": "labels.version"}, ">=", "1.2.0"]},
                {"in": [{"var": "tenant"}, ["globex", "acme"]]},
                {"starts_with": [{"var": "model"}, "demo"]},
            ]
        },
        "on",
        "off",
    ]
}
LARGEST: dict[str, Any] = {
    "if": [{"in": [{"var": "tenant"}, [f"tenant-{n}" for n in range(1014)]]}, "on", "off"]
}
PLAIN = FlagRecord(definition=gate("", "on"))


def ruled(targeting: dict[str, Any]) -> FlagRecord:
    definition = {**PLAIN.definition.model_dump(), "targeting": targeting}
    return FlagRecord(definition=FlagDefinition.model_validate(definition))


def overridden() -> FlagRecord:
    record = FlagRecord(
        definition=PLAIN.definition, overrides={f"tenant-{n}": "off" for n in range(TENANTS)}
    )
    return set_override(record, "acme", "off")


CASES = {
    "built in, nobody changed it": PLAIN,
    "the tenant has an override, and 1000 others": overridden(),
    "rollout": set_rollout("vector.empathy", PLAIN, {"on": 10, "off": 90}),
    "targeting with `sem_ver`, `in` and `starts_with`": ruled(RULE),
    "targeting of 1024 parts, the largest there may be": ruled(LARGEST),
}
AIMS = {"built in, nobody changed it": 1.0, "rollout": 50.0}
KEY = "vector.empathy"


def microseconds(call: Callable[[], object]) -> float:
    call()
    number = timeit.Timer(call).autorange()[0]
    return min(timeit.repeat(call, number=number, repeat=5)) / number * 1e6


def measured(record: FlagRecord) -> dict[str, float]:
    flags = FlagSet.of({KEY: record})
    core = FlagdCore()
    core.set_flags(json.dumps(as_flagd(flags)))
    api.set_provider(FlagProvider(lambda: flags), domain="bench")
    client, context = api.get_client(domain="bench"), CONTEXT.for_flagd()
    expected = flags.enabled(KEY, CONTEXT)
    assert client.get_boolean_value(KEY, not expected, context) is expected
    assert core.resolve_boolean_value(KEY, not expected, context).value is expected
    return {
        "FlagSet": microseconds(lambda: flags.evaluate(KEY, CONTEXT)),
        "flagd-core": microseconds(lambda: core.resolve_boolean_value(KEY, False, context)),
        "client": microseconds(lambda: client.get_boolean_value(KEY, False, context)),
    }


def test_what_a_flag_costs() -> None:
    figures = {name: measured(record) for name, record in CASES.items()}
    api.clear_providers()
    records = {f"vector.v{n}": CASES["rollout"] for n in range(VECTORS)}
    built_ms = microseconds(lambda: FlagSet.of(records)) / 1000
    text = [
        "# What a flag costs",
        "",
        f"{machine()}. Microseconds per evaluation, the best of 5 runs: `FlagSet.evaluate`, which",
        "requests use; flagd-core on the exported file; OpenFeature's client over our provider.",
        f"A registry revision with {VECTORS} flags is made ready in {built_ms:.1f} ms.",
        "",
        "| flag | FlagSet | flagd-core | OpenFeature client |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {f['FlagSet']:.2f} | {f['flagd-core']:.1f} | {f['client']:.1f} |"
            for name, f in figures.items()
        ),
        "",
    ]
    record = {"machine": machine(), "microseconds": figures, "made_ready_ms": built_ms}
    write("flags", record, "\n".join(text))
    for name, aim in AIMS.items():
        assert figures[name]["FlagSet"] < aim, name
