"""The boot self-test: before it is ready, the engine shows on its own graph that steering works.

A probe at one layer must change the next token's log-probability, for every layer; a plan of alpha
0 must not, nor may the probes change what an unsteered request in the same batch gets. It goes
through the same intake, scheduler, rows and compiled graph as requests do.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import numpy as np

from steersman_vectors.errors import OperatorError, SteersmanError
from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.reach import Reach, fits
from steersman_vectors.vector import from_differences

from .link import EngineLink

PROMPT = (1, 2, 3, 4)
ALPHAS = (1e2, 1e3, 1e4, 1e5)
"""In units of a direction of norm 1; residual streams differ in size by orders of magnitude."""
LOGPROBS = 5
"""That are read: two answers with almost equal best tokens share some of them."""
VISIBLE = 0.3
"""Change of a log-probability that no rounding makes: logits up to 32 are 0.125 apart in bf16."""
SEED = 20260101


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What was shown, and how long it took."""

    layers: tuple[int, ...]
    """Decoder blocks whose hook was seen to fire in every engine."""
    seconds: float


async def run_self_test(
    link: EngineLink,
    layers: Sequence[int],
    hidden_size: int,
    ranks: Sequence[int | None],
    largest_value: float = math.inf,
) -> SelfTest:
    """Returns when every layer of every data-parallel engine was seen to steer.

    largest_value: of the engine's dtype, which probes must fit.
    Raises `OperatorError(self_test_failed)`, naming the layers that did not, or alpha 0 that did.
    """
    started = time.monotonic()
    probes = await _load_probes(link, layers, hidden_size)
    alphas = [alpha for alpha in ALPHAS if fits([(alpha, Reach(1.0, 0))], largest_value)]
    try:
        for rank in ranks:
            await _test_engine(link, probes, rank, alphas)
    except BaseException:
        with suppress(SteersmanError):  # the first failure is the one to tell
            await link.forget(probes.values())
        raise
    await link.forget(probes.values())
    return SelfTest(tuple(layers), round(time.monotonic() - started, 3))


async def _load_probes(link: EngineLink, layers: Sequence[int], hidden_size: int) -> dict[int, str]:
    """Makes one random direction per layer resident; returns layer_idx -> digest."""
    rng = np.random.default_rng(SEED)
    run = uuid4().hex[:8]  # several API processes test the same engine: none forgets another's
    probes: dict[int, str] = {}
    for layer_idx in layers:
        drawn = {layer_idx: rng.choice([-1.0, 1.0], size=hidden_size)}
        data = native.dumps(from_differences(drawn, name=f"self-test-{run}", scale="unit"))
        probes[layer_idx] = native.digest(data)

        async def bytes_of(_: str, data: bytes = data) -> bytes:
            return data

        await link.ensure_resident([probes[layer_idx]], bytes_of)
    return probes


async def _test_engine(
    link: EngineLink, probes: dict[int, str], rank: int | None, alphas: Sequence[float]
) -> None:
    answer = partial(link.logprobs_of_one_token, PROMPT, top=LOGPROBS, rank=rank)
    plain = await answer(None)
    zero = await answer(_plan(next(iter(probes.values())), 0.0))
    if _change(plain, zero) > VISIBLE:
        raise _failed("alpha 0 changes what the model says", rank)
    silent = dict(probes)
    for alpha in alphas:
        neighbour, *answers = await asyncio.gather(
            answer(None), *(answer(_plan(digest, alpha)) for digest in silent.values())
        )
        if _change(plain, neighbour) > VISIBLE:
            raise _failed("a steered request changes its neighbour", rank)
        silent = {
            layer_idx: digest
            for (layer_idx, digest), steered in zip(silent.items(), answers, strict=True)
            if _change(plain, steered) <= VISIBLE
        }
        if not silent:
            return
    raise _failed(f"a vector at layers {sorted(silent)} changes nothing", rank)


def _plan(digest: str, alpha: float) -> SteeringPlan:
    return SteeringPlan(terms=((digest, alpha),), scope="all")


def _change(plain: dict[int, float], other: dict[int, float]) -> float:
    """Returns the largest change of a log-probability; infinite when another token is on top."""
    shared = plain.keys() & other.keys()
    return max((abs(plain[t] - other[t]) for t in shared), default=float("inf"))


def _failed(what: str, rank: int | None) -> OperatorError:
    where = "" if rank is None else f" in data-parallel engine {rank}"
    return OperatorError(
        f"the boot self-test failed: {what}{where}. This model or engine option cannot be steered "
        "yet; please report it with the command line",
        code="self_test_failed",
    )
