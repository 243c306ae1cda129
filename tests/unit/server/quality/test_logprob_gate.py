"""One request at a time, for a share of time at most, whatever traffic comes."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.quality.logprob_gate import LogprobGate

SECONDS = st.integers(0, 40).map(lambda n: n / 4)
ARRIVALS = st.lists(st.tuples(SECONDS, SECONDS.map(lambda s: s + 0.25)), max_size=60)
"""Seconds after the one before, and how long it takes."""
SHARES = st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.9])
Held = list[tuple[float, float]]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def played(arrivals: list[tuple[float, float]], share: float, processes: int = 1) -> Held:
    """Returns from when to when requests were let in, by real gates on a clock of ours."""
    clock, held = Clock(), []
    gate = LogprobGate(share, processes, clock)
    events = sorted_events(arrivals)
    inside: dict[int, ExitStack] = {}
    began: dict[int, float] = {}
    for at, kind, number in events:
        clock.now = at
        if kind == "comes":
            stack = ExitStack()
            if stack.enter_context(gate.turn()):
                began[number] = at
            inside[number] = stack
        else:
            inside.pop(number).close()
            if number in began:
                held.append((began[number], at))
    return sorted(held)


def sorted_events(arrivals: list[tuple[float, float]]) -> list[tuple[float, str, int]]:
    events, at = [], 100.0
    for number, (after, takes) in enumerate(arrivals):
        at += after
        events += [(at, 1, number), (at + takes, 0, number)]
    return [(at, ("goes", "comes")[kind], number) for at, kind, number in sorted(events)]


def reference(arrivals: list[tuple[float, float]], share: float) -> Held:
    """Looks at all that was ever let in, for each that comes."""
    held: Held = []
    at = 100.0
    for after, takes in arrivals:
        at += after
        if all(at >= end and at >= end + (end - start) / share - (end - start)
               for start, end in held):  # fmt: skip
            held.append((at, at + takes))
    return held


def cost(held: Held) -> float:
    return sum(end - start for start, end in held)


@given(ARRIVALS, st.sampled_from([0.25, 0.5]))
def test_it_is_the_reference(arrivals, share):
    """With shares whose sums are exact."""
    assert played(arrivals, share) == reference(arrivals, share)


@given(ARRIVALS, SHARES)
def test_one_at_a_time_and_never_more_than_the_share(arrivals, share):
    held = played(arrivals, share)
    for (_, end), (start, _) in pairwise(held):
        assert start >= end
    for k, (start, _) in enumerate(held):  # at each entry all before is paid for
        assert cost(held[:k]) <= share * (start - held[0][0]) + 1e-6
    if arrivals:
        assert held[0][0] == 100.0 + arrivals[0][0], "the first is let in"


@given(st.lists(ARRIVALS, min_size=2, max_size=4), SHARES)
def test_processes_together_keep_to_it(traffic, share):
    """Each pays for what it let in, when it lets in more, whatever the others do."""
    every = [played(arrivals, share, len(traffic)) for arrivals in traffic]
    last = max((held[-1][0] for held in every if held), default=0.0)
    first = min((held[0][0] for held in every if held), default=0.0)
    settled = sum(cost(held[:-1]) for held in every)
    assert settled <= share * (last - first) + 1e-6


def test_scarce_requests_all_go_in():
    assert len(played([(100.0, 10.0)] * 20, 0.1)) == 20


@pytest.mark.parametrize(("share", "asks"), [(0.0, False), (1.0, True)])
def test_nobody_and_everybody(share, asks):
    gate = LogprobGate(share, processes=3)
    with gate.turn() as first, gate.turn() as second:
        assert (first, second) == (asks, asks)


def test_a_request_that_fails_leaves_it_too():
    clock = Clock()
    gate = LogprobGate(0.5, clock=clock)

    def fails() -> None:
        with gate.turn():
            clock.now += 3.0
            raise ValueError("it failed")

    with pytest.raises(ValueError, match="it failed"):
        fails()
    with gate.turn() as at_once:
        assert not at_once
    clock.now += 3.0
    with gate.turn() as later:
        assert later
