"""Decisions become counts; the page and the catalogue say what there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prometheus_client import REGISTRY

from steersman_server.admission.decision import Fallback
from steersman_server.flags.evaluation import Evaluation
from steersman_server.intent.contract import Intent
from steersman_server.monitor import metrics as counted
from steersman_server.monitor import page
from steersman_server.monitor.catalogue import CATALOGUE
from steersman_server.monitor.metrics import MAX_TENANTS, DecisionMetrics
from steersman_server.tenants.tenant import OTHER
from steersman_vectors.errors import CallerError
from tests.unit.server.samples import resolve_field

ROOT = Path(__file__).parents[4]


class Change:
    """How much samples grew since it was made."""

    def __init__(self) -> None:
        self._before = self._now()

    def of(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return self._now().get(key, 0.0) - self._before.get(key, 0.0)

    @staticmethod
    def _now() -> dict:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for metric in REGISTRY.collect()
            if metric.name.startswith("steering_")
            for sample in metric.samples
        }


def test_a_steered_decision_counts_its_vectors_and_their_alphas():
    change = Change()
    field = {"vectors": {"empathy": "low", "plain": 0.1}, "schedule": {"kind": "constant"}}
    decision = resolve_field(field)
    flags = (Evaluation("dose", "high", 1, "targeting"),)
    intent = Intent("billing", 0.9, "billing", "rules")
    DecisionMetrics().decided(replace(decision, tenant="acme", flags=flags, intent=intent))
    request = {"tenant": "acme", "reason": "request", "outcome": "steered"}
    assert change.of("steering_requests_total", **request) == 1
    assert change.of("steering_applied_total", vector="empathy", version="2", preset="low") == 1
    assert change.of("steering_applied_total", vector="plain", version="1", preset="none") == 1
    assert change.of("steering_alpha_count", vector="empathy") == 1
    assert change.of("steering_alpha_bucket", vector="empathy", le="0.2") == 0
    assert change.of("steering_alpha_bucket", vector="empathy", le="0.3") == 1
    assert change.of("steering_alpha_added_total", vector="plain", sign="positive") == 0.1
    assert change.of("steering_alpha_added_total", vector="plain", sign="negative") == 0
    assert change.of("steering_intents_total", intent="billing") == 1
    assert change.of("steering_flag_variants_total", flag="dose", variant="high") == 1


def test_a_fallback_a_refusal_and_the_time_are_counted():
    change, metrics = Change(), DecisionMetrics()
    decision = replace(resolve_field(None), tenant="acme", fallback=Fallback("gone", "why"))
    metrics.decided(decision)
    metrics.refused("acme", CallerError("no", code="vector_not_found"))
    metrics.took(0.003)
    unsteered = {"tenant": "acme", "reason": decision.reason, "outcome": "unsteered"}
    refused = {"tenant": "acme", "reason": "none", "outcome": "refused"}
    assert change.of("steering_requests_total", **unsteered) == 1
    assert change.of("steering_requests_total", **refused) == 1
    assert change.of("steering_fallbacks_total", code="gone") == 1
    assert change.of("steering_refusals_total", code="vector_not_found") == 1
    assert change.of("steering_admission_seconds_bucket", le="0.0025") == 0
    assert change.of("steering_admission_seconds_bucket", le="0.005") == 1


def test_tenants_beyond_the_bound_are_counted_together():
    change, metrics = Change(), DecisionMetrics()
    decision = resolve_field(None)
    for k in range(MAX_TENANTS + 7):
        metrics.decided(replace(decision, tenant=f"bounded-{k}"))
    own = {"reason": decision.reason, "outcome": "unsteered"}
    assert change.of("steering_requests_total", tenant="bounded-3", **own) == 1
    assert change.of("steering_requests_total", tenant="other", **own) == 7
    assert OTHER == "other"  # no tenant can be called that
    assert change.of("steering_requests_total", tenant=f"bounded-{MAX_TENANTS}", **own) == 0


def test_no_histogram_and_no_gauge_knows_a_tenant():
    assert [m.name for m in CATALOGUE if "tenant" in m.labels and m.kind != "counter"] == []


def test_every_label_of_names_that_operators_make_has_its_bound_on_the_page():
    closed = {"outcome", "code", "worker", "kind", "version", "vllm", "model", "fingerprint"}
    closed |= {"steered", "verdict", "finding", "why", "action", "sign"}
    closed |= {"steered_verdict", "unsteered_verdict"}
    labels = {label for metric in CATALOGUE for label in metric.labels}
    assert labels - closed <= set(page.BOUNDS)
    bounds = {name for name in vars(counted) if name.startswith("MAX_")}
    assert {getattr(counted, name) for name in bounds} == set(page.BOUNDS.values())


def test_the_committed_page_is_what_the_catalogue_makes():
    """After a change of the catalogue: `make metrics-page`."""
    assert (ROOT / "docs/metrics.md").read_text() == page.page()
    assert all(f"`{metric.name}`" in page.page() for metric in CATALOGUE)
