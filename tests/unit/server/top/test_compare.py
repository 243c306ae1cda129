"""Real scrape texts, made with the catalogue's own metrics, and what the frame makes of them."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from pathlib import Path

import pytest

from steersman_server.top import names
from steersman_server.top.compare import compare
from steersman_server.top.sample import read_series
from steersman_server.top.tables import TENANTS, VECTORS

from .scenes import frame, made, moments, sampled

ROOT = Path(__file__).parents[4]
VLLM_METRICS = ROOT / "tests" / "unit" / "deploy" / "vllm_metrics.txt"


def test_names_are_those_of_the_catalogue() -> None:
    """In a process of its own: the catalogue's metrics are the process's."""
    code = (
        "import json; from steersman_server.monitor.catalogue import CATALOGUE;"
        "print(json.dumps({d.name: [d.kind, *d.labels] for d in CATALOGUE}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    declared = json.loads(done.stdout)
    ours = [n for n in (*names.PLAIN, *names.HISTOGRAMS) if n.startswith("steering_")]
    assert [name for name in ours if name not in declared] == []
    assert all(declared[h][0] == "histogram" for h in names.HISTOGRAMS if h in declared)
    for name, labels in {
        names.REQUESTS: ["tenant", "reason", "outcome"], names.APPLIED: ["vector", "version"],
        names.ANSWERS: ["tenant", "verdict"], names.VARIANTS: ["flag", "variant"],
        names.VECTOR_ANSWERS: ["vector", "verdict"], names.STEP_SECONDS: ["worker"],
        names.INFO: ["model", "fingerprint", "version", "vllm"], names.ALPHA: ["vector"],
    }.items():  # fmt: skip
        assert set(labels) <= set(declared[name][1:]), name


def test_names_of_vllm_are_those_that_it_shows() -> None:
    """Against what a real server's `/metrics` had; see the list's own test."""
    shown = {line.split()[0] for line in VLLM_METRICS.read_text().splitlines() if line}
    plain = [n for n in names.PLAIN if n.startswith("vllm:")]
    parts = [f"{h}_bucket" for h in names.HISTOGRAMS if h.startswith("vllm:")]
    assert len(plain) == 5
    assert [name for name in plain + parts if name not in shown] == []


def test_the_picture_of_the_docs_shows_the_screen_as_it_is() -> None:
    """Drawn anew by `make top-picture`; its clock and order of rows are the scene's."""
    picture = html.unescape((ROOT / "docs" / "pictures" / "top.svg").read_text())
    said = picture.replace("\u00a0", " ")
    for column in (*TENANTS, *VECTORS):
        assert column.title in said, column
    for tenant in frame().tenants:
        assert tenant.name in said
    assert "http://www.w3.org/2000/svg" in said
    assert "@font-face" not in said


def test_the_server_and_its_load() -> None:
    found = frame()
    assert found.seconds == 1.0
    assert found.window_s == 60.0
    server, load = found.server, found.load
    assert (server.model, server.revision, server.processes, server.workers) == ("demo", 418, 2, 1)
    assert server.fingerprint is not None
    assert server.fingerprint.startswith("sha256:9f1c")
    assert (server.killed, server.self_test, server.stale, server.backed_off) == (
        False, True, False, 1,
    )  # fmt: skip
    assert (load.running, load.waiting, load.kv_cache) == (23, 2, 0.37)
    assert load.rows == pytest.approx(11 / 64)
    assert load.host == pytest.approx(0.0023, rel=0.1)
    assert load.host_per_step_s == pytest.approx(0.0023 / 54, rel=0.1)
    assert load.admission_p50_s is not None
    assert load.admission_p99_s is not None
    assert 1e-4 < load.admission_p50_s < load.admission_p99_s < 1e-2


def test_what_is_counted_twice_in_the_metrics_agrees() -> None:
    """Sums over tenants are the sums of the text, counted here by hand from its lines."""
    found = frame()

    def total(moment: int, begin: str, also: str = "") -> float:
        lines = moments()[moment]["metrics"].splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(begin + "{") and also in line
        )

    requests = "steering_requests_total"
    assert sum(t.requests for t in found.tenants) == total(2, requests) - total(0, requests)
    assert found.load.requests_per_s == total(2, requests) - total(1, requests)
    globex = next(t for t in found.tenants if t.name == "globex")
    tenant = 'tenant="globex"'
    assert globex.requests == total(2, requests, tenant) - total(0, requests, tenant)
    applied, vector = "steering_applied_total", 'vector="empathy"'
    empathy = next(v for v in found.vectors if v.name == "empathy")
    assert empathy.applied == total(2, applied, vector) - total(0, applied, vector)
    assert empathy.versions == ("3",)
    assert sum(each.share for each in found.intents) == pytest.approx(1.0)
    refusals = "steering_refusals_total"
    assert sum(each.count for each in found.refusals) == total(2, refusals) - total(0, refusals)


def test_tenants_and_vectors_by_what_they_do() -> None:
    found = frame()
    assert [t.name for t in found.tenants][:2] == ["acme-support", "northwind"]
    by_name = {t.name: t for t in found.tenants}
    assert by_name["globex"].scale == 0.5
    assert by_name["acme-support"].scale == 1.0
    assert by_name["globex"].degenerate is not None
    assert by_name["globex"].degenerate > 0.05
    assert by_name["initech"].unsteered[0].name == "safety_override"
    assert found.safety is not None
    assert found.safety > 0
    playful = next(v for v in found.vectors if v.name == "playful")
    assert playful.alpha_mean == pytest.approx(1.6, abs=0.3)
    assert playful.alpha_p90 is not None
    assert playful.alpha_p90 > playful.alpha_mean
    low = next(v for v in found.variants if v.variant == "low")
    assert low.flag == "empathy-dose"
    assert low.share == pytest.approx(0.5, abs=0.1)


def test_a_server_that_tells_nothing_yet() -> None:
    """Neither older servers nor fresh ones make it fail: what is not known is None."""
    found = compare(made(0), made(1))
    assert found.load.requests_per_s is None
    assert found.load.steered is None
    assert found.server.killed is None
    assert found.tenants == found.vectors == found.refusals == ()
    assert json.loads(json.dumps(found.as_json()))["load"]["running"] is None


def test_health_fills_in_for_metrics_that_are_missing() -> None:
    health = moments()[0]["health"]
    found = compare(made(0, health=health), made(1, health=health))
    assert found.server.fingerprint == health["fingerprint"]
    assert (found.server.revision, found.server.registry_age_s) == (418, 0.42)
    assert (found.server.stale, found.server.self_test) == (False, True)
    failed = {"status": "failed", "message": "no worker"}
    found = compare(made(0, health=failed), made(1, health=failed))
    assert found.server.workers_error == "no worker"
    assert found.server.stale is None


@pytest.mark.parametrize(
    "health",
    [{}, {"registry": 3, "processes": "x", "workers": {}, "self_test": [], "fingerprint": 7}],
)
def test_health_of_any_shape_does_no_harm(health: dict[str, object]) -> None:
    found = compare(made(0, health=health), made(1, health=health))
    assert found.server.processes is None


def test_a_scrape_is_read_for_what_matters_only() -> None:
    text = moments()[0]["metrics"]
    found = read_series(text)
    assert "python_info" in text
    assert "python_info" not in found
    assert "steering_requests_created" not in found
    assert found == read_series(text.replace("# HELP", "# help"))


@pytest.mark.parametrize("text", ["<html>no</html>", "{}", 'steering_requests_total{a="1" 3'])
def test_what_is_no_scrape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_series(text)


def test_the_json_has_every_tenant_and_is_plain() -> None:
    body = json.loads(json.dumps(frame().as_json()))
    assert {t["name"] for t in body["tenants"]} == {t.name for t in frame().tenants}
    assert body["at"].endswith("+00:00")
    assert sampled(moments()[0]).scales == {"globex": 0.5}
