"""Preempted and resumed: more requests than the key-value cache holds."""

from __future__ import annotations

import random

import pytest

from tests.engine.engines import CHUNK
from tests.engine.test_laws import check_against_reference, random_plan, random_turns

pytestmark = pytest.mark.engine

REQUESTS = 6
GENERATED = 120
BLOCKS = 18
"""Of 32 tokens: enough for the longest request, far too few for all of them."""


@pytest.fixture(scope="module")
def cramped(boot_here, model_dir, vectors):
    """Steered, eager, with a key-value cache of 17 usable blocks, counting its preemptions."""
    engine = boot_here(
        model_dir, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK,
        num_gpu_blocks_override=BLOCKS, disable_log_stats=False,
    )  # fmt: skip
    yield engine
    engine.stop()


def preemptions(llm) -> int:
    return sum(m.value for m in llm.get_metrics() if m.name == "vllm:num_preemptions")


def test_a_preempted_request_is_steered_as_if_it_had_never_stopped(
    cramped, chat, bind, reference, by_digest
):
    rng = random.Random(23)
    prompts = [chat(*random_turns(rng)) for _ in range(REQUESTS)]
    plans = [*(random_plan(rng, p, bind) for p in prompts[:-1]), None]
    outputs = cramped.generate(prompts, plans, max_tokens=GENERATED)
    assert preemptions(cramped.llm) > 0
    assert all(len(o.outputs[0].token_ids) == GENERATED for o in outputs)
    check_against_reference(outputs, plans, reference, by_digest)
