"""The baseline is the exponentially weighted mean that it says it is, and forgets by tenant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.quality.baseline import (
    MAX_TENANTS,
    NEEDED,
    Baselines,
    weighted_mean_reference,
)

NATS = st.lists(st.floats(0, 20), min_size=1, max_size=120)


@given(NATS)
def test_it_is_the_weighted_mean(values):
    baselines = Baselines()
    for value in values:
        baselines.note("acme", value)
    if len(values) < NEEDED:
        assert baselines.of("acme") is None
    else:
        assert baselines.of("acme") == pytest.approx(weighted_mean_reference(values))
        assert min(values) - 1e-9 <= baselines.of("acme") <= max(values) + 1e-9


def test_tenants_are_apart_and_the_one_not_heard_of_is_forgotten():
    baselines = Baselines()
    for _ in range(NEEDED):
        baselines.note("old", 1.0)
        baselines.note("acme", 2.0)
    assert (baselines.of("old"), baselines.of("acme")) == (1.0, 2.0)
    assert baselines.of("nobody") is None
    for number in range(MAX_TENANTS - 1):
        baselines.note(f"t{number}", 3.0)
    assert baselines.of("old") is None
    assert baselines.of("acme") == 2.0
