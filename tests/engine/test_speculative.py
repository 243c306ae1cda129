"""Speculative decoding: several positions per request and step, some of them taken back."""

from __future__ import annotations

import random

import pytest

from steersman_vectors.schedule import Linear
from tests.engine.engines import CHUNK
from tests.engine.test_laws import check_against_reference, random_turns

pytestmark = pytest.mark.engine

GENERATED = 48
NGRAM = {"method": "ngram", "prompt_lookup_min": 1, "prompt_lookup_max": 4}


@pytest.fixture(scope="module", params=["ngram", "draft_model"])
def speculating(request, boot, model_dir, vectors):
    """Steered, eager, drafting three tokens, counting what is accepted.

    The draft model is the model itself, unsteered: right where steering changes nothing.
    """
    own = {"method": "draft_model", "model": str(model_dir)}
    engine = boot(
        model_dir, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK,
        disable_log_stats=False,
        speculative_config={
            **(NGRAM if request.param == "ngram" else own), "num_speculative_tokens": 3,
        },
    )  # fmt: skip
    yield engine
    engine.stop()


def count(llm, name: str) -> int:
    return sum(m.value for m in llm.get_metrics() if m.name == f"vllm:spec_decode_num_{name}")


def test_accepted_and_rejected_drafts_are_steered_where_they_end_up(
    speculating, chat, bind, reference, by_digest
):
    """Gates fall for as long as tokens are generated, so that a position off by one shows."""
    rng = random.Random(31)
    prompts = [chat(*random_turns(rng)) for _ in range(8)]
    falling = [Linear(tokens=GENERATED + i, floor=0.1) for i in range(len(prompts))]
    plans = [
        None,
        *(
            bind(prompt, {"unit": 3.0 + i, "raw": 0.5}, "assistant", falling[i])
            for i, prompt in enumerate(prompts[1:])
        ),
    ]
    outputs = speculating.generate(prompts, plans, max_tokens=GENERATED)
    drafted = count(speculating.llm, "draft_tokens")
    accepted = count(speculating.llm, "accepted_tokens")
    assert 0 < accepted < drafted
    check_against_reference(outputs, plans, reference, by_digest)
