"""The rules load, name what exists, lead to a runbook, and have tests that would notice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from deploy.grafana.promql import wilson

from .declared import TARGET, everything
from .promql_names import read

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/prometheus"
RULES_FILE = FOLDER / "rules/steersman.yml"
RULES = [
    rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in RULES if "record" in rule}
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def promtool(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_promtool_passes(file: Path) -> None:
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-steer-admin_x")
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (steersman,) = config["scrape_configs"]
    steersman["authorization"]["credentials_file"] = str(key)
    config["rule_files"] = [str(RULES_FILE)]
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    done = promtool("check", "config", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_metric_and_label_of_a_rule_exists(rule: dict) -> None:
    recorded = {name: TARGET.union(read(one["expr"]).grouped) for name, one in RECORDED.items()}
    known = everything() | recorded
    named = read(rule["expr"])
    assert named.metrics
    assert named.metrics - set(known) == set()
    for metric, labels in named.selected:
        assert labels - known[metric] == set(), metric
    assert named.grouped - frozenset().union(*(known[m] for m in named.metrics)) == set()


BEGIN_LATER = {
    "steering_requests_total": "by tenant; the rules ask for more than 50 requests",
    "steering_quality_answers_total": "by tenant, its verdicts together; asks for 30 answers",
    "steering_step_host_seconds_total": "by worker, from the server's first seconds on",
    "steering_backoffs_total": "by tenant, from when it opts in, long before its first step",
}
"""Counters that rules ask the increase of, whose series do not begin at 0, and why that is well."""


def test_what_rules_ask_the_increase_of_begins_at_0() -> None:
    """The first errors of a server are an increase only if their series was there before."""
    asked = {
        metric
        for rule in RULES
        for metric in re.findall(r"(?:rate|increase)\((\w+)[{\[]", rule["expr"])
    }
    code = "import steersman_server.monitor.catalogue, prometheus_client as p;"
    fresh = subprocess.run(
        [sys.executable, "-c", code + "print(p.generate_latest().decode())"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    there = set(re.findall(r"^(steering_\w+)(?:{.*})? 0\.0$", fresh, re.MULTILINE))
    assert {m for m in asked if m.startswith("steering_")} - there == set(BEGIN_LATER)


@pytest.mark.parametrize("name", ALERTS)
class TestAlert:
    def test_it_tells_what_to_do(self, name: str) -> None:
        alert = ALERTS[name]
        assert alert["labels"]["severity"] in ("info", "warning", "critical")
        page = ROOT / alert["annotations"]["runbook_url"]
        text = page.read_text()
        assert f"`{name}`" in text, f"{page.name} does not speak of it"
        for heading in ("## What it means", "## How to look", "## What to do"):
            assert heading in text, page.name
        assert {"summary", "description"} <= set(alert["annotations"])

    def test_its_tests_notice_when_it_is_dumb_and_when_it_never_stops(
        self, name: str, tmp_path: Path
    ) -> None:
        (tests,) = [file for file in TESTS if name in file.read_text()]
        for expr in ("vector(0) > 1", "vector(1)"):
            broken = yaml.safe_load(RULES_FILE.read_text())
            for group in broken["groups"]:
                for rule in group["rules"]:
                    if rule.get("alert") == name:
                        rule |= {"expr": expr}
                        rule.pop("for", None)
            (tmp_path / "rules.yml").write_text(yaml.safe_dump(broken))
            changed = yaml.safe_load(tests.read_text()) | {"rule_files": ["rules.yml"]}
            if expr != "vector(1)":
                changed["tests"] = [one for one in changed["tests"] if name in yaml.safe_dump(one)]
            (tmp_path / "tests.yml").write_text(yaml.safe_dump(changed))
            done = promtool("test", "rules", tmp_path / "tests.yml")
            assert done.returncode != 0, expr
            assert "FAILED" in done.stdout + done.stderr


def test_no_runbook_is_an_orphan() -> None:
    pages = {page.name for page in (ROOT / "docs/runbooks").glob("*.md")} - {"README.md"}
    linked = {Path(alert["annotations"]["runbook_url"]).name for alert in ALERTS.values()}
    assert pages == linked
    index = (ROOT / "docs/runbooks/README.md").read_text()
    assert [name for name in ALERTS if f"`{name}`" not in index] == []


def test_the_codes_that_runbooks_name_exist() -> None:
    packages = ("server", "plugins", "vectors/steersman_vectors")
    source = "".join(file.read_text() for name in packages for file in (ROOT / name).rglob("*.py"))
    pages = "".join(page.read_text() for page in (ROOT / "docs/runbooks").glob("*.md"))
    codes = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", pages)) - {"runbook_url", "rule_files"}
    codes -= {"credentials_file"}
    assert {code for code in codes if code not in source} == set()


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), min_size=1, max_size=20))
def test_the_interval_of_a_share_is_scipys(tmp_path_factory, pairs: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("wilson")
    series, asked = [], []
    for i, (part, whole) in enumerate((min(pair), max(pair)) for pair in pairs):
        series.append({"series": f'whole{{i="{i}"}}', "values": str(whole)})
        if part:  # a counter that never counted is not there
            series.append({"series": f'part{{i="{i}"}}', "values": str(part)})
        interval = binomtest(part, whole).proportion_ci(0.95, method="wilson")
        for side, bound in ((-1, interval.low), (1, interval.high)):
            expr = wilson(f'part{{i="{i}"}}', f'whole{{i="{i}"}}', side)
            # 1.96 for 1.959964: the bounds differ in the fifth decimal
            asked.append({"expr": f"abs({expr} - {bound}) < bool 2e-5", "eval_time": 0,
                          "exp_samples": [{"labels": f'{{i="{i}"}}', "value": 1}]})  # fmt: skip
    file = folder / "tests.yml"
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": asked}]
    file.write_text(yaml.safe_dump({"tests": tests}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
