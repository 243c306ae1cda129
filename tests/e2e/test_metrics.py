"""Every metric that is documented, against what running servers show at `/metrics`."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from transformers import AutoTokenizer

from steersman_server.monitor.catalogue import CATALOGUE, Declared
from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.spans import steered_turns
from tests.e2e.conftest import run
from tests.e2e.tenants import MESSAGES, TenantServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
NEEDS = {
    "steering_intents_total": "a classifier, which the two-process server has not",
    "steering_safety_overrides_total": "a classifier, which the two-process server has not",
    "steering_backoffs_total": "a tenant that opted in",
}
"""Metrics that are absent where several processes serve until that happens."""
ADDED = ("_created",)
"""By prometheus-client itself, where one process serves."""
ONE_WORKER = {"worker": "dp0-tp0-pp0"}

Shown = dict[str, Metric]


def shown(text: str) -> Shown:
    """Returns our metrics by the name in the catalogue, with their types, labels and values."""
    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("steering_") and not family.name.endswith(ADDED):
            suffix = "_total" if family.type == "counter" else ""
            found[family.name + suffix] = family
    return found


def labels_of(family: Metric) -> set[frozenset[str]]:
    return {frozenset(sample.labels) - {"le"} for sample in family.samples}


def wrong(declared: list[Declared], found: Shown) -> dict[str, object]:
    """Returns what is shown otherwise than it is declared."""
    unlike: dict[str, object] = {}
    for metric in declared:
        family = found.get(metric.name)
        if family is None:
            continue
        if family.type != metric.kind:
            unlike[metric.name] = family.type
        if labels_of(family) - {frozenset(metric.labels)}:
            unlike[metric.name] = labels_of(family)
    return unlike


def value(found: Shown, name: str, **labels: str) -> float:
    """Returns a sample's value; the sum of those that have these labels, 0 without any."""
    family = found.get(name) or found.get(re.sub("_(count|sum|bucket)$", "", name))
    return sum(
        sample.value
        for sample in ([] if family is None else family.samples)
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def scrape(server) -> Shown:
    return shown(httpx.get(f"{server.url}/metrics", timeout=30).raise_for_status().text)


def ask(server, **body) -> httpx.Response:
    asked = {"model": str(server.model), "messages": MESSAGES, "max_tokens": 12, "temperature": 0}
    return httpx.post(
        f"{server.url}/v1/chat/completions", json={**asked, "ignore_eos": True, **body}, timeout=60
    )


def test_the_page_has_every_metric_with_its_type_and_labels():
    rows = re.findall(r"^\| `(steering_\w+)` \| (\w+) \| ([^|]*) \|", PAGE, re.MULTILINE)
    told = {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == {(metric.name, metric.kind, metric.labels) for metric in CATALOGUE}


def test_one_process_shows_what_is_declared_and_nothing_else(server):
    ask(server, steering={"vectors": {"empathy": 0.5}}).raise_for_status()
    found = scrape(server)
    declared = {metric.name for metric in CATALOGUE}
    assert (set(found) - declared, declared - set(found)) == (set(), set())
    assert wrong(CATALOGUE, found) == {}
    without = [m for m in CATALOGUE if not m.labels and not found[m.name].samples]
    assert without == []


def test_requests_are_counted_by_what_was_decided(server):
    before = scrape(server)
    steered = ask(server, steering={"vectors": {"empathy": "low"}}).raise_for_status()
    ask(server, steering=False).raise_for_status()
    assert ask(server, steering={"vectors": {"empthy": 1}}).status_code == 400
    assert ask(server, steering={"vectors": {"empathy": 1}}, model="nobody").status_code == 404
    late = ask(server, steering={"vectors": {"empathy": 1}}, stream=True, logit_bias={"999999": 1})
    assert (late.status_code, late.text[:14]) == (200, 'data: {"error"')
    after = scrape(server)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    (applied,) = steered.json()["steering"]["applied"]
    who = {"tenant": "local"}
    assert more("steering_requests_total", outcome="steered", reason="request", **who) == 1
    assert more("steering_requests_total", outcome="unsteered", reason="request_off", **who) == 1
    assert more("steering_requests_total", outcome="refused", **who) == 1
    assert more("steering_requests_total", outcome="failed", reason="request", **who) == 2
    assert more("steering_refusals_total", code="vector_not_found") == 1
    assert more("steering_applied_total", vector="empathy") == 1
    version = {"vector": "empathy", "version": str(applied["version"])}
    assert more("steering_applied_total", preset="low", **version) == 1
    assert more("steering_alpha_bucket", vector="empathy", le="0.4") == 0
    assert more("steering_alpha_bucket", vector="empathy", le="0.5") == 1
    assert more("steering_admission_seconds_count") == 5
    assert more("steering_plan_build_seconds_count") == 1
    assert value(after, "steering_decisions_lost_total") == 0


def test_the_read_out_measures_every_answer_token_and_says_what_it_cannot(server):
    """`nobody` is no vector: told, and everything else goes on."""

    def tone(steered: str, what: str = "tokens") -> float:
        labels = {"vector": "empathy", "steered": steered, **ONE_WORKER}
        return value(scrape(server), f"steering_tone_{what}_total", **labels)

    wait_until(lambda: value(scrape(server), "steering_tone_reads", vector="empathy") == 1)
    assert value(scrape(server), "steering_tone_reads", vector="nobody") == 0
    assert "readout_reads_nothing" in server.log.read_text()
    ask(server, steering=False).raise_for_status()
    wait_until(lambda: tone("no") > 0)
    before = {steered: tone(steered) for steered in ("no", "yes")}
    ask(server, steering=False).raise_for_status()
    ask(server, steering={"vectors": {"empathy": 0.5}}, max_tokens=7).raise_for_status()
    wait_until(lambda: tone("no") >= before["no"] + 12 and tone("yes") >= before["yes"] + 7)
    assert (tone("no"), tone("yes")) == (before["no"] + 12, before["yes"] + 7)
    assert 0 < tone("yes", "units") < tone("yes")


def test_steered_tokens_are_counted_exactly(server):
    """Each steered position of prompt and answer once; of the answer's last token there is none."""

    def tokens() -> int:
        (worker,) = server.get("/v1/steering/health")["workers"]
        return worker["counters"]["tokens"]

    before = tokens()
    alpha = 0.123  # that nobody else asks for: what it steers is in no cache
    reply = ask(server, steering={"vectors": {"empathy": alpha}}, return_token_ids=True).json()
    prompt, answer = reply["prompt_token_ids"], reply["choices"][0]["token_ids"]
    markers = markers_of_tokenizer(AutoTokenizer.from_pretrained(server.model))
    turns = steered_turns("assistant", prompt, markers)
    computed = range(len(prompt) + len(answer) - 1)
    steered = [p for p in computed if any(s <= p and (e is None or p < e) for s, e in turns)]
    assert len(turns) == 2
    assert tokens() - before == len(steered) > len(answer)
    wait_until(lambda: value(scrape(server), "steering_tokens_total") == tokens())


def test_the_engine_is_told_as_its_own_status_tells_it(server):
    ask(server, steering={"vectors": {"empathy": 0.5}}).raise_for_status()
    (worker,) = server.get("/v1/steering/health")["workers"]
    counted = worker["counters"]

    def told() -> bool:
        found = scrape(server)
        return value(found, "steering_tokens_total", **ONE_WORKER) >= counted["tokens"]

    wait_until(told)
    found = scrape(server)
    assert counted["tokens"] > 0
    assert value(found, "steering_steps_total", kind="settled") >= counted["settled_steps"] > 0
    assert value(found, "steering_steps_total", kind="routed") >= counted["routed_steps"] > 0
    sums = 1 - 1e-9  # of differences, which round
    assert value(found, "steering_step_host_seconds_total") >= counted["host_seconds"] * sums > 0
    assert value(found, "steering_vector_loads_total") >= counted["loads"] > 0
    assert value(found, "steering_vector_load_seconds_total") >= counted["load_seconds"] * sums > 0
    assert value(found, "steering_rows") == worker["rows"]
    assert value(found, "steering_rows_high_water") >= 1
    assert value(found, "steering_resident_vectors") == worker["resident_vectors"]
    assert value(found, "steering_resident_bytes") == worker["resident_bytes"]
    assert value(found, "steering_workers") == value(found, "steering_self_test_passed") == 1
    assert value(found, "steering_self_test_seconds") > 0
    (info,) = found["steering_info"].samples
    assert info.labels["model"] == str(server.model)
    fingerprint = server.get("/v1/steering/health")["fingerprint"]
    assert info.labels["fingerprint"] == fingerprint[:19]
    assert info.labels["version"] in run("--version").stdout


def test_the_registry_is_told_as_it_stands(server):
    wait_until(
        lambda: (
            value(scrape(server), "steering_registry_revision")
            == server.get("/v1/steering/health")["registry"]["revision"]
        )
    )
    found = scrape(server)
    assert value(found, "steering_registry_age_seconds") < 30
    assert value(found, "steering_registry_stale") == value(found, "steering_kill_switch") == 0
    kill = server.data_dir / "kill-switch"
    kill.write_text("for a test of metrics")
    try:
        wait_until(lambda: value(scrape(server), "steering_kill_switch") == 1)
    finally:
        kill.unlink()
    wait_until(lambda: value(scrape(server), "steering_kill_switch") == 0)


MEASURED = "measured"
"""A tenant, its vector and its flag, which only this test uses."""


@pytest.fixture(scope="module")
def traffic(tenant_server, vector_files):
    """Requests that make every metric appear that needs no failure: on both processes."""
    admin = tenant_server.admin
    admin(
        "POST", "/import", params={"name": MEASURED}, content=vector_files["empathy"].read_bytes()
    )
    definition = {"state": "ENABLED", "variants": {"low": 0.25, "high": 0.5},
                  "defaultVariant": "high"}  # fmt: skip
    admin("PUT", f"/flags/{MEASURED}", json=definition)
    admin("POST", "/tenants", json={"name": MEASURED, "vectors": [MEASURED],
                                    "default": {"vectors": {MEASURED: 0.1}},
                                    "on_unavailable": "base"})  # fmt: skip
    tenant_server.keys[MEASURED] = tenant_server.make_key(tenant=MEASURED, label="e2e")["key"]
    steer = {"vectors": {MEASURED: {"flag": MEASURED}}}
    admin("PUT", f"/policies/{MEASURED}", json={"rules": [
        {"name": "dosed", "when": {"metadata": {"dosed": "yes"}}, "steer": steer}]})  # fmt: skip
    before = of_two(tenant_server)
    for _ in range(REQUESTS):
        steered = tenant_server.chat(MEASURED, max_tokens=4, metadata={"dosed": "yes"})
        assert steered.json()["steering"]["flags"] == {MEASURED: "high"}
        refused = tenant_server.chat(MEASURED, steering={"vectors": {"secret": 1}})
        assert refused.status_code == 403
    admin("DELETE", f"/policies/{MEASURED}")
    admin("POST", "/retire", json={"vector": f"{MEASURED}@1", "reason": "measured"})
    for _ in range(REQUESTS):
        fallen = tenant_server.chat(MEASURED, max_tokens=1)
        assert fallen.json()["steering"]["fallback"]["code"] == "vector_retired"
    yield before
    admin("DELETE", f"/tenants/{MEASURED}")
    admin("DELETE", f"/flags/{MEASURED}")


REQUESTS = 8
"""Each on a connection of its own: enough that both processes are asked."""


def of_two(tenant_server: TenantServer) -> Shown:
    reply = tenant_server.request("viewer", "GET", "/metrics")
    return shown(reply.raise_for_status().text)


def test_two_processes_show_together_what_is_declared(tenant_server, traffic):
    def told() -> bool:
        found = of_two(tenant_server)
        judged = value(found, "steering_quality_answers_total", tenant=MEASURED)
        return value(found, "steering_tokens_total", **ONE_WORKER) > 0 and judged >= 2 * REQUESTS

    wait_until(told)
    found = of_two(tenant_server)
    declared = {metric.name for metric in CATALOGUE}
    assert set(found) - declared == set()
    assert declared - set(found) - set(NEEDS) == set()
    assert wrong(CATALOGUE, found) == {}


def test_two_processes_count_together(tenant_server, traffic):
    """Whichever process answers a scrape, it answers for both."""
    scrapes = [of_two(tenant_server) for _ in range(REQUESTS)]
    who = {"tenant": MEASURED}
    for found in scrapes:
        requests = [
            value(found, "steering_requests_total", outcome=outcome, **who)
            for outcome in ("steered", "refused", "unsteered")
        ]
        assert requests == [REQUESTS] * 3
        assert value(found, "steering_fallbacks_total", code="vector_retired") >= REQUESTS
        assert value(found, "steering_alpha_count", vector=MEASURED) == REQUESTS
        at_most = {"vector": MEASURED, "le": "0.5"}
        assert value(found, "steering_alpha_bucket", **at_most) == REQUESTS
        dosed = {"flag": MEASURED, "variant": "high"}
        assert value(found, "steering_flag_variants_total", **dosed) == REQUESTS


def test_one_of_two_processes_tells_of_the_workers(tenant_server, traffic):
    """Their counts are there once, not once for each process that could have asked."""

    def as_counted() -> bool:
        health = tenant_server.request("viewer", "GET", "/v1/steering/health").json()
        (worker,) = health["workers"]
        found, counted = of_two(tenant_server), worker["counters"]
        return (
            value(found, "steering_tokens_total") == counted["tokens"]
            and value(found, "steering_steps_total", kind="routed") == counted["routed_steps"]
            and value(found, "steering_vector_loads_total") == counted["loads"]
        )

    wait_until(as_counted)
    found = of_two(tenant_server)
    for name in ("steering_workers", "steering_self_test_passed", "steering_info"):
        assert [sample.value for sample in found[name].samples] == [1], name
    health = tenant_server.request("viewer", "GET", "/v1/steering/health").json()
    revision = health["registry"]["revision"]
    wait_until(lambda: value(of_two(tenant_server), "steering_registry_revision") >= revision)
