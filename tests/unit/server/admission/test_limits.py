"""A tenant's limits against a plain count of what was let in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.admission.inbound import Caller
from steersman_server.admission.limits import Limits
from steersman_server.admission.refusals import TooManyRequestsError
from steersman_server.tenants.tenant import Tenant


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@given(steps=st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60),
       per_minute=st.integers(1, 40))  # fmt: skip
def test_no_minute_and_a_burst_lets_in_more_than_two_minutes_worth(steps, per_minute):
    clock = Clock()
    limits = Limits(clock=clock)
    caller = Caller("acme", Tenant(requests_per_minute=per_minute))
    let_in: list[float] = []
    for wait, _ in steps:
        clock.now += wait
        try:
            with limits.running(caller):
                let_in.append(clock.now)
        except TooManyRequestsError as error:
            clock.now += error.retry_after_s + 1e-6
            with limits.running(caller):  # as promised
                let_in.append(clock.now)
    for start in let_in:
        assert sum(start <= at < start + 60 for at in let_in) <= 2 * per_minute


def test_places_are_given_back_whatever_happens():
    limits = Limits()
    caller = Caller("acme", Tenant(max_concurrent=2))
    with limits.running(caller):
        second = limits.running(caller)
        with pytest.raises(TooManyRequestsError) as refused:
            limits.check(caller)
        assert refused.value.code == "too_many_concurrent_requests"
        limits.check(Caller("other", Tenant(max_concurrent=1)))
        with pytest.raises(ZeroDivisionError), second:
            raise ZeroDivisionError
        limits.check(caller)


def test_processes_share_a_limit():
    limits = Limits(processes=4)
    caller = Caller("acme", Tenant(max_concurrent=8))
    places = [limits.running(caller) for _ in range(2)]
    with pytest.raises(TooManyRequestsError):
        limits.running(caller)
    assert len(places) == 2


def test_who_has_no_limit_is_not_counted():
    limits = Limits()
    for _ in range(1000):
        limits.running(Caller("acme", Tenant()))
    limits.check(Caller("acme", Tenant()))


def test_requests_without_a_limit_are_no_debt_under_the_next():
    limits = Limits()
    limited, free = Caller("acme", Tenant(requests_per_minute=60)), Caller("acme", Tenant())
    for caller in [limited, *[free] * 500]:
        with limits.running(caller):
            pass
    limits.check(limited)
