"""Every sample name that a query may name, with its labels: ours, vLLM's, Prometheus's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from steersman_server.monitor.catalogue import CATALOGUE, Declared

TARGET = frozenset({"instance", "job"})
"""What Prometheus adds to every sample that it scrapes."""
BELOW_ZERO = {
    *("steering_alpha", "steering_quality_nll_rise", "steering_quality_pair_nll_rise"),
}
"""Histograms that may see values below 0: Prometheus' client gives no sum of them."""
OWN = {
    "up": TARGET,
    "ALERTS": TARGET | {"alertname", "alertstate", "severity"},
}


def of_catalogue() -> dict[str, frozenset[str]]:
    """Returns the sample names of our metrics, with their labels."""
    return {name: labels for one in CATALOGUE for name, labels in samples(one)}


def samples(one: Declared) -> Iterator[tuple[str, frozenset[str]]]:
    """Yields what a metric is on the wire."""
    labels = frozenset(one.labels) | TARGET
    if one.kind != "histogram":
        yield one.name, labels
        return
    yield f"{one.name}_bucket", labels | {"le"}
    yield f"{one.name}_count", labels
    if one.name not in BELOW_ZERO:
        yield f"{one.name}_sum", labels


def of_vllm() -> dict[str, frozenset[str]]:
    """Returns those of vLLM, from a scrape of the served demo model."""
    lines = Path(__file__).with_name("vllm_metrics.txt").read_text().splitlines()
    return {line.split()[0]: frozenset(line.split()[1:]) | TARGET for line in lines}


def everything() -> dict[str, frozenset[str]]:
    """Returns all sample names with their labels."""
    return of_catalogue() | of_vllm() | OWN
