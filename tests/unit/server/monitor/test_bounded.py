"""Labels stay within bounds, whatever names come, and nothing that is counted is lost."""

from __future__ import annotations

from collections import Counter as Tally

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from steersman_server.monitor.bounded import Bounded, BoundedLabel
from steersman_server.tenants.tenant import OTHER

NAMES = st.text("abc", min_size=1, max_size=2)


def made(*labels: str) -> Counter:
    return Counter("seen", "Seen.", labels, registry=CollectorRegistry())


def counts(metric: Counter) -> dict[tuple[str, ...], float]:
    return {
        tuple(s.labels.values()): s.value
        for s in next(iter(metric.collect())).samples
        if s.name == "seen_total"
    }


@given(st.lists(st.tuples(NAMES, NAMES)), st.integers(0, 5), st.integers(0, 5))
def test_the_first_names_are_told_apart_and_all_are_counted(values, most_a, most_b):
    """Against a reference that remembers everything."""
    metric, first_a, first_b, expected = made("a", "b"), [], [], Tally()
    bounded = Bounded(metric, BoundedLabel(most_a), BoundedLabel(most_b))
    for a, b in values:
        bounded.of(a, b).inc()
        for value, first, most in ((a, first_a, most_a), (b, first_b, most_b)):
            if value not in first and len(first) < most:
                first.append(value)
        expected[a if a in first_a else OTHER, b if b in first_b else OTHER] += 1
    assert counts(metric) == expected


@given(st.lists(st.tuples(NAMES, st.sampled_from(["steered", "refused"]))), st.integers(0, 6))
def test_series_are_bounded_as_a_whole_and_closed_sets_stay_themselves(values, most):
    metric = made("tenant", "outcome")
    bounded = Bounded(metric, BoundedLabel(1000), None, most=most)
    for value in values:
        bounded.of(*value).inc()
    seen = counts(metric)
    assert sum(seen.values()) == len(values)
    assert len(seen) <= most + 2  # `other` with either outcome
    assert {outcome for _, outcome in seen} == {outcome for _, outcome in values}


@given(st.lists(st.tuples(NAMES, st.sampled_from(["fine", "degenerate"]))), st.integers(0, 5))
def test_all_values_of_a_closed_set_begin_together(values, most):
    """Before the first of the others is counted, so that a rate sees it."""
    metric = made("tenant", "verdict")
    bounded = Bounded(metric, BoundedLabel(most), ("fine", "degenerate"))
    for number, value in enumerate(values):
        bounded.of(*value).inc()
        seen = counts(metric)
        assert sum(seen.values()) == number + 1
        assert {tenant: 2 for tenant, _ in seen} == dict(Tally(tenant for tenant, _ in seen))


def test_metrics_that_share_a_label_tell_the_same_names_apart():
    tenants = BoundedLabel(1)
    one, two = made("tenant"), made("tenant")
    Bounded(one, tenants).of("a").inc()
    shared = Bounded(two, tenants)
    shared.of("b").inc()
    shared.of("a").inc()
    assert counts(two) == {("a",): 1, (OTHER,): 1}
