"""Speculative decoding: several positions per request and step, some of them taken back."""

from __future__ import annotations

import random

import pytest

from tests.engine.engines import CHUNK
from tests.engine.test_laws import check_against_reference, random_plan, random_turns

pytestmark = pytest.mark.engine

GENERATED = 48


@pytest.fixture(scope="module")
def speculating(boot_here, model_dir, vectors):
    """Steered, eager, drafting three tokens from earlier n-grams, counting what is accepted."""
    engine = boot_here(
        model_dir, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK,
        disable_log_stats=False,
        speculative_config={
            "method": "ngram", "num_speculative_tokens": 3,
            "prompt_lookup_min": 1, "prompt_lookup_max": 4,
        },
    )  # fmt: skip
    yield engine
    engine.stop()


def count(llm, name: str) -> int:
    return sum(m.value for m in llm.get_metrics() if m.name == f"vllm:spec_decode_num_{name}")


def test_accepted_and_rejected_drafts_are_steered_where_they_end_up(
    speculating, chat, bind, reference, by_digest
):
    rng = random.Random(31)
    prompts = [chat(*random_turns(rng)) for _ in range(8)]
    plans = [*(random_plan(rng, p, bind) for p in prompts[1:]), None]
    outputs = speculating.generate(prompts, plans, max_tokens=GENERATED)
    drafted = count(speculating.llm, "draft_tokens")
    accepted = count(speculating.llm, "accepted_tokens")
    assert 0 < accepted < drafted
    check_against_reference(outputs, plans, reference, by_digest)
