"""Tensor parallel: the residual stream is whole on every rank, and every rank steers it alike."""

from __future__ import annotations

import random

import pytest

from tests.engine.engines import CHUNK
from tests.engine.test_laws import check_against_reference, random_plan, random_turns

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def two_ranks(boot, model_dir, vectors):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        engine = boot(
            model_dir, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK,
            tensor_parallel_size=2,
        )  # fmt: skip
        yield engine
        engine.stop()


def test_random_plans_equal_the_reference_on_two_tensor_parallel_ranks(
    two_ranks, chat, bind, reference, by_digest
):
    ranks = two_ranks.llm.collective_rpc("steering_status")
    assert [r["rank"]["tensor_parallel"] for r in ranks] == [0, 1]
    assert all(set(r["resident"]) == set(by_digest) for r in ranks)
    rng = random.Random(41)
    prompts = [chat(*random_turns(rng)) for _ in range(10)]
    plans = [*(random_plan(rng, p, bind) for p in prompts[:-1]), None]
    outputs = two_ranks.generate(prompts, plans, max_tokens=12)
    check_against_reference(outputs, plans, reference, by_digest)
