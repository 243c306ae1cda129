"""The boot self-test against engines with planted faults."""

from __future__ import annotations

import asyncio

import pytest

from steersman_server.engine.self_test import run_self_test
from steersman_vectors.errors import OperatorError
from steersman_vectors.formats import native


class FakeEngine:
    """An engine whose log-probability falls with the dose, but for the faults it has."""

    def __init__(
        self, *, silent=(), insensitive=(), zero_changes=False, sick_rank=None, leaks=False
    ):
        self.leaks = leaks
        self.silent = silent
        self.insensitive = insensitive
        self.zero_changes = zero_changes
        self.sick_rank = sick_rank
        self.layer_of: dict[str, int] = {}
        self.asked: list[tuple[int, float, int | None]] = []

    async def ensure_resident(self, digests, read_blob):
        for digest in digests:
            data = await read_blob(digest)
            assert native.digest(data) == digest
            (self.layer_of[digest],) = native.loads(data).layers

    async def forget(self, digests):
        for digest in digests:
            del self.layer_of[digest]

    async def logprobs_of_one_token(self, prompt, plan, *, top, rank):
        if plan is None:
            await asyncio.sleep(0)  # the probes of the same batch come first
            return {7: -1.5 if self.leaks and self.asked else -1.0}
        if not plan.terms:
            return {7: -2.0 if self.zero_changes else -1.0}
        ((digest, alpha),) = plan.terms
        layer_idx = self.layer_of[digest]
        self.asked.append((layer_idx, alpha, rank))
        if layer_idx in self.silent or (rank is not None and rank == self.sick_rank):
            return {7: -1.0}
        if layer_idx in self.insensitive and alpha < 1e4:
            return {7: -1.01}
        return {3: -0.1}


async def run(engine, ranks=(None,)):
    return await run_self_test(engine, [0, 2, 5], 8, ranks)


async def test_every_layer_is_seen_to_steer_and_the_probes_are_forgotten():
    engine = FakeEngine()
    result = await run(engine)
    assert result.layers == (0, 2, 5)
    assert {layer_idx for layer_idx, _, _ in engine.asked} == {0, 2, 5}
    assert engine.layer_of == {}


async def test_a_large_residual_stream_is_probed_harder():
    engine = FakeEngine(insensitive=(2,))
    await run(engine)
    assert max(alpha for layer_idx, alpha, _ in engine.asked if layer_idx == 2) == 1e4
    assert max(alpha for layer_idx, alpha, _ in engine.asked if layer_idx == 0) == 1e2


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"silent": (2, 5)}, r"layers \[2, 5\] changes nothing"),
        ({"zero_changes": True}, "alpha 0 changes"),
        ({"sick_rank": 1}, "data-parallel engine 1"),
        ({"leaks": True}, "changes its neighbour"),
    ],
)
async def test_a_fault_keeps_the_server_from_starting_and_is_named(fault, named):
    engine = FakeEngine(**fault)
    with pytest.raises(OperatorError, match=named) as refusal:
        await run(engine, ranks=(0, 1))
    assert refusal.value.code == "self_test_failed"
    assert engine.layer_of == {}
