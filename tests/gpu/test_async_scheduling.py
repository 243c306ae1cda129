"""Steps staged while the device is still at work on earlier ones, each with gates of its own."""

from __future__ import annotations

import pytest
import torch

from steersman_vectors.schedule import Linear
from tests.engine.engines import TOLERANCE, largest_error
from tests.tiny_model import TEXT

pytestmark = pytest.mark.gpu

REQUESTS, GENERATED = 300, 24
LATE_CYCLES = 10_000_000
"""Of the GPU's clock: some milliseconds, far longer than the host takes to prepare a step."""


def make_copies_late(worker) -> None:
    """Runs in the worker: lets the device wait before it copies what a step was routed to."""
    staging = worker.model_runner._steersman_state._staging
    upload = staging.upload

    def upload_late(n: int) -> None:
        torch.cuda._sleep(LATE_CYCLES)
        upload(n)

    staging.upload = upload_late


@pytest.fixture(scope="module", params=[True, False], ids=["eager", "graphs"])
def late(request, boot, model_dir, vectors):
    """Steered, asynchronously scheduled, on a device that lags behind its host."""
    engine = boot(
        model_dir, vectors, steered=True, enforce_eager=request.param,
        max_num_batched_tokens=1024, max_num_seqs=64, async_scheduling=True,
    )  # fmt: skip
    engine.llm.collective_rpc(make_copies_late)
    yield engine
    engine.stop()


def test_a_late_device_executes_every_step_as_it_was_routed(late, chat, bind, reference, by_digest):
    assert late.llm.llm_engine.vllm_config.scheduler_config.async_scheduling
    prompt = chat(("user", TEXT[0]))
    falling = Linear(tokens=GENERATED + 5, floor=0.0)  # other gates at every step
    plans = [
        bind(prompt, {"unit": 4 + i / 20, "raw": 1 - i / 300}, "assistant", falling)
        for i in range(REQUESTS)
    ]
    outputs = late.generate([prompt] * REQUESTS, plans, max_tokens=GENERATED)
    for i in range(0, REQUESTS, 23):
        completion = outputs[i].outputs[0]
        expected = reference.logprobs(prompt + list(completion.token_ids), plans[i], by_digest)
        assert largest_error(outputs[i], completion, expected) < TOLERANCE
