"""Shadow runs: begun after the answer, alone, in nobody's way; and what a pair says."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.engine.asked import Asked, EngineLoad
from steersman_server.monitor.catalogue import (
    PAIR_LENGTH_RATIO,
    PAIR_NLL_RISE,
    PAIRS,
    SKIPPED,
)
from steersman_server.quality.judging import Judging
from steersman_server.quality.pair_metrics import count_pair
from steersman_server.quality.pairs import Pair, has_room
from steersman_server.quality.shadows import Shadows
from tests.unit.server.quality.samples import STEERED, UNSTEERED, observed

ASKED = Asked({"type": "token"}, None, {})
IDLE = EngineLoad(0, 8, by_priority=False)
ANSWER = observed(request_id="r1", decision=STEERED, tokens=6, mean_logprob=-0.5)
LOOP = "I am so sorry. " + "very " * 30


def output(text, tokens, logprob=None, finish=None):
    one = SimpleNamespace(index=0, text=text, token_ids=[1] * tokens,
                          cumulative_logprob=logprob, finish_reason=finish)  # fmt: skip
    return SimpleNamespace(outputs=[one])


class Engine:
    """What the link is to shadows; answers in two pieces, the second when it is let."""

    def __init__(self):
        self.loads = [IDLE]
        """From now on, the last one for good."""
        self.repeats = True
        self.error = None
        self.go_on = asyncio.Event()
        self.asked = []
        self.closed = 0

    def load(self):
        return self.loads.pop(0) if len(self.loads) > 1 else self.loads[0]

    def can_repeat(self, asked):
        return self.repeats

    async def unsteered(self, asked):
        self.asked.append(asked)
        try:
            if self.error:
                raise self.error
            yield output("I am ", 2, -0.2)
            await self.go_on.wait()
            yield output("well.", 1, -0.3, "stop")
        finally:
            self.closed += 1


def skipped(why):
    return SKIPPED.labels(why)._value.get()


@pytest.fixture
def judged():
    return []


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def shadows(engine, judged):
    return Shadows(1.0, engine, lambda observed, then: judged.append((observed, then)))


async def ended(shadows):
    while shadows.running is not None:
        await asyncio.sleep(0)


async def test_a_shadow_is_judged_beside_the_answer_and_nobody_else_is_told(
    shadows, engine, judged
):
    shadows.answered(ASKED, ANSWER)
    engine.go_on.set()
    await ended(shadows)
    ((unsteered, then),) = judged
    assert engine.asked == [ASKED]
    assert (unsteered.text, unsteered.tokens, unsteered.finish_reason) == ("I am well.", 3, "stop")
    assert unsteered.mean_logprob == pytest.approx(-0.1)
    assert unsteered.decision.plan is None
    assert unsteered.decision.applied == ()
    assert (unsteered.prompt, unsteered.request_id) == (ANSWER.prompt, "r1")
    assert (then.func, then.args) == (count_pair, (ANSWER,))
    assert engine.closed == 1


async def test_one_runs_at_a_time_and_the_next_when_it_has_ended(shadows, engine, judged):
    before = skipped("shadow_busy")
    for _ in range(4):
        shadows.answered(ASKED, ANSWER)
        await asyncio.sleep(0)
    assert skipped("shadow_busy") == before + 3
    engine.go_on.set()
    await ended(shadows)
    shadows.answered(ASKED, ANSWER)
    await ended(shadows)
    assert (len(judged), engine.closed) == (2, 2)


async def test_none_begins_where_the_engine_has_no_room(shadows, engine, judged):
    engine.loads = [replace(IDLE, unfinished=4)]
    before = skipped("shadow_busy")
    shadows.answered(ASKED, ANSWER)
    assert shadows.running is None
    assert (skipped("shadow_busy"), engine.asked) == (before + 1, [])


async def test_one_that_comes_to_be_in_the_way_is_broken_off(shadows, engine, judged):
    """5 with its own: 4 of clients, half of the places."""
    engine.loads = [IDLE, replace(IDLE, unfinished=5)]
    before = skipped("shadow_busy")
    shadows.answered(ASKED, ANSWER)
    await ended(shadows)
    assert (skipped("shadow_busy"), judged, engine.closed) == (before + 1, [], 1)


async def test_what_fails_is_counted_and_the_next_one_runs(shadows, engine, judged):
    engine.error = RuntimeError("has the text")
    before = skipped("shadow_error")
    shadows.answered(ASKED, ANSWER)
    await ended(shadows)
    assert (skipped("shadow_error"), judged) == (before + 1, [])
    engine.error = None
    engine.go_on.set()
    shadows.answered(ASKED, ANSWER)
    await ended(shadows)
    assert len(judged) == 1


async def test_what_cannot_be_repeated_is_counted(shadows, engine):
    engine.repeats = False
    before = skipped("shadow_unsuitable")
    shadows.answered(ASKED, ANSWER)
    assert (skipped("shadow_unsuitable"), shadows.running) == (before + 1, None)


@pytest.mark.parametrize("reason", [None, "abort", "error"])
async def test_an_answer_that_was_cut_off_has_none(shadows, engine, reason):
    shadows.answered(ASKED, replace(ANSWER, finish_reason=reason))
    assert (shadows.running, engine.asked) == (None, [])


async def test_it_ends_with_the_server(shadows, engine, judged):
    shadows.answered(ASKED, ANSWER)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shadows.running.cancel()
    await ended(shadows)
    assert (engine.closed, judged) == (1, [])


def test_only_steered_requests_of_the_share_have_one(shadows, engine):
    assert shadows.wants("r1", STEERED)
    assert not shadows.wants("r1", UNSTEERED)
    assert not Shadows(0.0, engine, lambda *_: None).wants("r1", STEERED)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 8), st.booleans())
def test_half_of_the_places_are_free_or_by_priority_one(unfinished, places, processes, by_priority):
    """By a reference that gives each sequence its place in turn."""
    load = EngineLoad(unfinished, places, by_priority)
    free = list(range(places))
    for _process in range(processes):
        for _one in range(unfinished):
            free = free[1:]
    assert has_room(load, processes) is (len(free) >= 1 if by_priority else len(free) > places / 2)
    if unfinished:
        fewer = replace(load, unfinished=unfinished - 1)
        assert has_room(load, processes, own=1) is has_room(fewer, processes)


def test_a_pair_says_how_its_answers_differ():
    pair = Pair(ANSWER, replace(ANSWER, tokens=4, mean_logprob=-0.2))
    assert pair.length_ratio == 1.5
    assert math.isclose(pair.nll_rise, 0.3)
    silent = Pair(ANSWER, replace(ANSWER, tokens=0, mean_logprob=None))
    assert (silent.length_ratio, silent.nll_rise) == (None, None)


def test_pairs_are_counted_by_both_verdicts_and_by_nobody_elses_hook():
    def count(*labels):
        return PAIRS.labels(*labels)._value.get()

    def observations(histogram):
        (family,) = histogram.collect()
        return next(s.value for s in family.samples if s.name.endswith("_count"))

    before = [count("degenerate", "fine"), count("fine", "fine"),
              observations(PAIR_LENGTH_RATIO), observations(PAIR_NLL_RISE)]  # fmt: skip
    told = []
    judging = Judging(lambda o, j: told.append(o))
    steered = replace(ANSWER, text=LOOP)
    judging.take(ANSWER)
    judging.take(observed(), lambda o, j: count_pair(steered, o, j))
    judging.take(observed(tokens=0, mean_logprob=None), lambda o, j: count_pair(ANSWER, o, j))
    judging.close()
    after = [count("degenerate", "fine"), count("fine", "fine"),
             observations(PAIR_LENGTH_RATIO), observations(PAIR_NLL_RISE)]  # fmt: skip
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1]
    assert told == [ANSWER]
