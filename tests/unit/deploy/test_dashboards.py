"""The dashboards are what their declarations say, and name nothing that does not exist."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploy.grafana.build import BOARDS, FOLDER, path, text
from deploy.grafana.queries import Asked, asked, choices_of, panels
from steersman_server.monitor.catalogue import CATALOGUE

from .declared import everything, samples
from .promql_names import read

PAGES = {board.uid: json.loads(text(board)) for board in BOARDS}
QUERIES = [query for page in PAGES.values() for query in asked(page)]
KNOWN = everything()
LEGEND_LABEL = re.compile(r"\{\{ *(\w+) *\}\}")
ABSENT: dict[str, str] = {}
"""Metrics of the catalogue that no panel shows, and why."""


def names(query: Asked) -> str:
    return query.name


def test_the_committed_files_are_what_is_declared() -> None:
    stale = [board.uid for board in BOARDS if path(board).read_text() != text(board)]
    assert stale == [], "run: .venv/bin/python -m deploy.grafana.build"
    assert {p.stem for p in FOLDER.glob("*.json")} == set(PAGES)


@pytest.mark.parametrize("query", QUERIES, ids=names)
def test_every_metric_and_label_of_a_query_exists(query: Asked) -> None:
    named = read(query.expr)
    assert named.metrics, query.expr
    assert named.metrics - set(KNOWN) == set()
    for metric, labels in named.selected:
        assert labels - KNOWN[metric] == set(), metric
    of_any = frozenset().union(*(KNOWN[metric] for metric in named.metrics))
    assert named.grouped - of_any == set()
    shown = set(LEGEND_LABEL.findall(query.legend))
    kept = named.grouped if "by (" in query.expr else of_any
    assert shown - kept == set(), "a legend shows a label that the query does not keep"


def test_every_declared_metric_is_on_a_panel_or_absent_on_purpose() -> None:
    shown = set().union(*(read(query.expr).metrics for query in QUERIES))
    unseen = {one.name for one in CATALOGUE if not {n for n, _ in samples(one)} & shown}
    assert unseen == set(ABSENT)


def test_prometheus_parses_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"q{i}", "expr": query.expr} for i, query in enumerate(QUERIES)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(QUERIES)} rules found" in done.stdout


@pytest.mark.parametrize("uid", PAGES)
class TestPage:
    def test_choices_name_what_exists(self, uid: str) -> None:
        for name, series, label in choices_of(PAGES[uid]):
            named = read(series)
            assert all(label in KNOWN[metric] for metric in named.metrics), name
            assert f"${name}" in text_of_queries(uid), f"nothing uses ${name}"

    def test_panels_are_told_and_do_not_overlap(self, uid: str) -> None:
        page = PAGES[uid]
        taken: dict[tuple[int, int], str] = {}
        for panel in page["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24, panel["title"]
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                    taken[x, y] = panel["title"]
        for panel in panels(page):
            assert len(panel["description"].split()) > 5, panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        ids = [panel["id"] for panel in page["panels"]]
        assert ids == sorted(set(ids))

    def test_thresholds_ascend(self, uid: str) -> None:
        for panel in panels(PAGES[uid]):
            first, *later = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert first["value"] is None
            assert all(a["value"] < b["value"] for a, b in pairwise(later)), panel["title"]

    def test_a_panel_of_unbounded_labels_shows_the_largest(self, uid: str) -> None:
        """A line per tenant, code or worker is a tangle on a large installation."""
        unbounded = {"tenant", "reason", "vector", "version", "intent", "worker"}
        for panel in panels(PAGES[uid]):
            for target in panel["targets"]:
                shown = set(LEGEND_LABEL.findall(target["legendFormat"]))
                if panel["type"] == "timeseries" and shown & unbounded:
                    assert "topk(8" in target["expr"], panel["title"]


def text_of_queries(uid: str) -> str:
    return " ".join(t["expr"] for panel in panels(PAGES[uid]) for t in panel["targets"])


class TestReader:
    """The reader of names, on expressions made of parts that say what they are."""

    names = st.from_regex(r"[a-z][a-z_]{2,8}_total", fullmatch=True)
    labels = st.lists(st.from_regex(r"l[a-z]{1,4}", fullmatch=True), max_size=3, unique=True)

    @given(names, labels, labels.filter(bool), names)
    def test_it_finds_what_was_put_in(
        self, metric: str, selecting: list[str], grouping: list[str], other: str
    ) -> None:
        inner = ", ".join(f'{label}=~"by (x) {{y}}"' for label in selecting)
        expr = (
            f"topk(3, sum by ({', '.join(grouping)}) (rate({metric}{{{inner}}}[5m]))) "
            f"/ on ({grouping[0]}) group_left () ({other} > 1e3 or vector(0)) unless {other}"
        )
        named = read(expr)
        assert (metric, frozenset(selecting)) in named.selected
        assert named.metrics == {metric, other}
        assert named.grouped == set(grouping)
