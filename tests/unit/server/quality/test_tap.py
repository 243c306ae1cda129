"""The tap: outputs go through as they are, and what it saw is all that there was."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.engine.vllm_api import asking_for_logprobs, gives_deltas
from steersman_server.monitor.catalogue import SKIPPED
from steersman_server.quality.logprob_gate import LogprobGate
from steersman_server.quality.tap import Tap
from tests.unit.server.quality.samples import STEERED

Piece = tuple[str, int]
"""Text and number of tokens."""


def completion(index, text, tokens, logprob=None, finish=None):
    return SimpleNamespace(
        index=index, text=text, token_ids=[7] * tokens, cumulative_logprob=logprob,
        finish_reason=finish,
    )  # fmt: skip


def output(*completions):
    return SimpleNamespace(outputs=list(completions))


class Engine:
    """An engine's generator that remembers whether it was closed."""

    def __init__(self, outputs, error=None):
        self.outputs, self.error, self.closed, self.given = outputs, error, False, 0

    async def generate(self):
        try:
            for each in self.outputs:
                self.given += 1
                yield each
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


def tapped(take, generate, *, deltas=True):
    tap = Tap("id", STEERED, "prompt", take, LogprobGate(1.0))
    return tap.through(lambda asks: (None, generate()), deltas=deltas, may_ask=True)


async def run(outputs, deltas, stop_after=None, error=None):
    """Returns what the client got, and what was observed."""
    seen, got, engine = [], [], Engine(outputs, error)
    stream = tapped(seen.append, engine.generate, deltas=deltas)
    try:
        async for each in stream:
            got.append(each)
            assert engine.given == len(got), "an output was held back"
            if len(got) == stop_after:
                break
    finally:
        await stream.aclose()
    assert engine.closed
    return got, seen


def summary(seen):
    return {(o.text, o.tokens, o.finish_reason, o.mean_logprob) for o in seen}


@st.composite
def cut(draw) -> tuple[list[list[Piece]], list[int]]:
    """Draws the pieces of some answers, and the order in which they come."""
    piece = st.tuples(st.text(max_size=5), st.integers(1, 3))
    answers = draw(st.lists(st.lists(piece, min_size=1, max_size=6), min_size=1, max_size=3))
    order = [index for index, pieces in enumerate(answers) for _ in pieces]
    return answers, draw(st.permutations(order))


@given(cut())
def test_deltas_however_cut_are_the_whole(drawn):
    answers, order = drawn
    wholes, deltas, cumulative, so_far = [], [], [], {}
    for index, pieces in enumerate(answers):
        tokens = sum(n for _, n in pieces)
        wholes.append(completion(index, "".join(t for t, _ in pieces), tokens, -0.5 * tokens,
                                 "stop"))  # fmt: skip
    for index in order:
        begun = so_far.setdefault(index, [])
        begun.append(answers[index][len(begun)])
        tokens = sum(n for _, n in begun)
        finish = "stop" if len(begun) == len(answers[index]) else None
        text, added = begun[-1]
        deltas.append(output(completion(index, text, added, -0.5 * tokens, finish)))
        whole = "".join(t for t, _ in begun)
        cumulative.append(output(completion(index, whole, tokens, -0.5 * tokens, finish)))

    async def all_kinds():
        final_only = [output(*wholes)]
        for outputs, kind in ((deltas, True), (cumulative, False), (final_only, False)):
            got, seen = await run(outputs, kind)
            assert [id(each) for each in got] == [id(each) for each in outputs]
            assert len(seen) == len(answers)
            assert sorted(summary(seen)) == sorted(
                {(w.text, len(w.token_ids), "stop", -0.5) for w in wholes}
            )

    asyncio.run(all_kinds())


async def test_the_first_answer_of_the_first_call_is_told_with_what_was_asked():
    told = []

    def called(asked, outputs, _):
        return asked, Engine(outputs).generate()

    tap = Tap("id", STEERED, "", lambda _: None, LogprobGate(1.0),
              lambda asked, o: told.append((asked, o.text)))  # fmt: skip
    for asked in ("first", "second"):
        outputs = [output(completion(1, "b", 1, finish="stop")),
                   output(completion(0, f"a {asked}", 1, finish="stop"))]  # fmt: skip
        stream = tap.through(partial(called, asked, outputs), deltas=True, may_ask=True)
        assert [o async for o in stream] == outputs
    assert told == [("first", "a first")]


async def test_a_client_that_goes_away_leaves_what_it_got():
    outputs = [output(completion(0, f"{n} ", 1)) for n in range(9)]
    got, seen = await run(outputs, True, stop_after=3)
    assert len(got) == 3
    assert summary(seen) == {("0 1 2 ", 3, None, None)}


async def test_a_task_that_is_cancelled_closes_the_engines_generator():
    engine, seen, waits = Engine([]), [], asyncio.Event()

    async def forever():
        try:
            yield output(completion(0, "begun", 1))
            await waits.wait()
        finally:
            engine.closed = True

    async def client():
        async for _ in tapped(seen.append, forever):
            pass

    task = asyncio.create_task(client())
    while not task.done() and not engine.closed:
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.closed


async def test_what_the_engine_raises_reaches_the_client_and_the_rest_is_judged():
    with pytest.raises(RuntimeError, match="dead"):
        await run([output(completion(0, "half", 2))], True, error=RuntimeError("dead"))


def skipped(why):
    return SKIPPED.labels(why)._value.get()


@pytest.mark.parametrize("odd", [None, SimpleNamespace(outputs=None), output(object())])
async def test_an_output_that_we_do_not_understand_goes_through_and_is_counted_once(odd):
    before = skipped("error")
    outputs = [output(completion(0, "a", 1)), odd, odd, output(completion(0, "b", 1))]
    got, seen = await run(outputs, True)
    assert got == outputs
    assert seen == []
    assert skipped("error") == before + 1


async def test_an_error_of_whoever_takes_it_never_reaches_the_client():
    def takes(_):
        raise MemoryError

    engine = Engine([output(completion(0, "a", 1, finish="stop"))])
    stream = tapped(takes, engine.generate)
    assert len([each async for each in stream]) == 1


@pytest.mark.parametrize("logprob", [float("nan"), float("-inf"), None])
async def test_a_logprob_that_is_no_number_is_none(logprob):
    _, seen = await run([output(completion(0, "a", 1, logprob, "stop"))], True)
    assert seen[0].mean_logprob is None


def test_real_sampling_params():
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    assert gives_deltas(SamplingParams(output_kind=RequestOutputKind.DELTA))
    assert not gives_deltas(SamplingParams(output_kind=RequestOutputKind.CUMULATIVE))
    assert not gives_deltas(SamplingParams(output_kind=RequestOutputKind.FINAL_ONLY))
    for asked, then in ((None, 0), (0, 0), (3, 3)):
        params = SamplingParams(logprobs=asked)
        assert asking_for_logprobs(params).logprobs == then
        assert params.logprobs == asked


class Turns:
    """Requests through one gate, on a clock of the test's."""

    def __init__(self):
        self.now, self.asked = 0.0, []
        self.gate = LogprobGate(0.1, clock=lambda: self.now)

    def stream(self, outputs=2, *, may_ask=True):
        def generate(asks):
            self.asked.append(asks)
            return None, Engine([output(completion(0, "a", 1))] * outputs).generate()

        tap = Tap("id", STEERED, "", lambda observed: None, self.gate)
        return tap.through(generate, deltas=True, may_ask=may_ask)


async def test_one_asks_for_logprobs_while_it_lasts_and_then_none_for_nine_times_as_long():
    turns = Turns()
    first = turns.stream()
    await anext(first)
    assert [1 async for _ in turns.stream()] == [1, 1]
    turns.now = 2.0
    await first.aclose()
    for turns.now in (2.0, 19.75, 20.0):
        await anext(turns.stream())
    assert turns.asked == [True, False, False, False, True]


async def test_what_is_never_listened_to_and_what_need_not_ask_take_no_turn():
    turns = Turns()
    turns.stream()
    await turns.stream().aclose()
    asked_by_its_client = turns.stream(may_ask=False)
    await anext(asked_by_its_client)
    await anext(turns.stream())
    assert turns.asked == [False, True]
