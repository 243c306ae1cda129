"""The tone read-out's totals against a Hugging Face forward over the same tokens."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.engine.engines import CHUNK
from tests.engine.test_laws import random_plan, random_turns, signature
from tests.tiny_model import TEXT

pytestmark = pytest.mark.engine

SLOTS = {"unit": 2, "raw": 1, "token": 2, "residual": 1}
"""The block that each vector is read at; two of them twice, `unit` behind its own first dose."""
LAYERS = tuple(SLOTS.values())
ALL_STEPS = {"readout": LAYERS, "readout_every": 1}
RELATIVE = 1e-4


@pytest.fixture(scope="module", params=["eager", "compiled"])
def reading(request, boot, boot_here, model_dir, vectors):
    """Reads every step: eager in a process of its own, as `stock`, or compiled."""
    if request.param == "eager":
        engine = boot(
            model_dir, vectors, steered=True, steering=ALL_STEPS, enforce_eager=True,
            max_num_batched_tokens=CHUNK,
        )  # fmt: skip
    else:
        engine = boot_here(
            model_dir, vectors, steered=True, steering=ALL_STEPS, max_num_batched_tokens=1024
        )
    read(engine, *SLOTS)
    yield engine
    engine.stop()


def read(engine, *names: str | None) -> list[str | None]:
    digests = [None if name is None else engine.digests[name] for name in names]
    (answer,) = engine.llm.collective_rpc("steering_readout", args=(digests,))
    return answer["readout"]


def totals(engine) -> np.ndarray:
    """Returns `[slots, 4]`: tokens unsteered, steered, units unsteered, steered."""
    return np.reshape(engine.status()["counters"]["tone"], (-1, 4))


def expected(outputs, plans, reference, by_digest, vectors) -> np.ndarray:
    """Returns `totals`, position by position, straight from the definition."""
    sums = np.zeros((len(SLOTS), 4))
    for output, plan in zip(outputs, plans, strict=True):
        for completion in output.outputs:
            ids = [*output.prompt_token_ids, *completion.token_ids]
            first = len(output.prompt_token_ids) - 1
            streams = reference.streams(ids, plan, by_digest).double().numpy()
            for slot, (name, layer) in enumerate(SLOTS.items()):
                direction = vectors[name].directions[layer]
                for position in range(first, first + len(completion.token_ids)):
                    x = streams[layer, position]
                    cos = float(x @ direction) / float(np.linalg.norm(x))
                    steered = int(plan is not None)
                    sums[slot, steered] += 1
                    sums[slot, 2 + steered] += (1 + cos) / 2
    return sums


def test_totals_equal_hugging_face_over_random_traffic(
    reading, chat, bind, reference, by_digest, vectors
):
    rng = random.Random(71)
    prompts = [chat(*random_turns(rng)) for _ in range(20)]
    prompts += [chat(("user", TEXT[0] * 3), *random_turns(rng)) for _ in range(4)]
    assert max(map(len, prompts)) > 2 * CHUNK
    plans = [random_plan(rng, p, bind) if rng.random() < 0.6 else None for p in prompts]
    before = totals(reading)
    outputs = reading.generate(prompts, plans, max_tokens=12)
    got = totals(reading) - before
    want = expected(outputs, plans, reference, by_digest, vectors)
    assert got[:, :2].tolist() == want[:, :2].tolist()
    assert want[:, :2].min() > 50
    assert np.abs(got[:, 2:] / want[:, 2:] - 1).max() < RELATIVE
    # A mean of cos that is off by as much as a wrong position makes it would show.
    cos = 2 * got[:, 2:] / got[:, :2] - 1
    assert np.abs(cos - (2 * want[:, 2:] / want[:, :2] - 1)).max() < RELATIVE


def test_read_out_engines_give_the_very_logits_of_stock(stock, reading, chat):
    if not reading.llm.llm_engine.vllm_config.model_config.enforce_eager:
        pytest.skip("compiled graphs round as they are fused; test_totals compares them")
    rng = random.Random(72)
    prompts = [chat(*random_turns(rng)) for _ in range(6)]
    want = stock.generate(prompts, [None] * 6)
    got = reading.generate(prompts, [None] * 6)
    assert [signature(o) for o in got] == [signature(o) for o in want]


def test_a_slot_reads_what_it_is_given_and_nothing_of_a_vector_that_is_not_there(reading, chat):
    prompt = chat(("user", TEXT[1]))
    # `raw` has no direction at block 2, and nobody knows the digest.
    assert read(reading, "raw", None, "token", "residual")[:2] == [None, None]
    (unknown,) = reading.llm.collective_rpc("steering_readout", args=(["sha256:0"],))
    assert unknown["readout"][0] is None
    before = totals(reading)
    reading.generate([prompt], [None], max_tokens=5)
    more = totals(reading) - before
    assert more[:2].tolist() == [[0.0] * 4] * 2
    assert more[2:, 0].tolist() == [5.0, 5.0]
    assert read(reading, *SLOTS) == [reading.digests[name] for name in SLOTS]
    assert reading.status()["readout"] == [reading.digests[name] for name in SLOTS]


def test_one_of_eight_steps_reads_about_an_eighth(boot_here, model_dir, vectors, chat):
    engine = boot_here(
        model_dir, vectors, steered=True, enforce_eager=True, steering={"readout": (2,)}
    )
    try:
        read(engine, "unit")
        engine.generate([chat(("user", TEXT[0]))] * 4, [None] * 4, max_tokens=32)
        assert totals(engine)[0, :2].tolist() == [4 * 32 / 8, 0.0]
    finally:
        engine.stop()
