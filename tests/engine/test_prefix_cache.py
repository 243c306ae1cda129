"""The prefix cache under steering: shared where it may be, never where it may not."""

from __future__ import annotations

import pytest

from steersman_vectors.schedule import Linear
from tests.engine.engines import BLOCK, TOLERANCE, largest_error
from tests.tiny_model import TEXT

pytestmark = pytest.mark.engine

LONG = " ".join(TEXT)


def cached(engine, prompt, plan) -> int:
    return engine.generate([prompt], [plan], max_tokens=1, fresh=False)[0].num_cached_tokens


def full_blocks(tokens: int) -> int:
    return tokens // BLOCK * BLOCK


def test_blocks_before_the_first_steered_token_are_shared_by_everybody(eager, chat, bind):
    prompt = chat(("user", LONG))
    eager.llm.reset_prefix_cache()
    assert cached(eager, prompt, None) == 0
    shared = full_blocks(len(prompt) - 1)
    for alphas in ({"unit": 8.0}, {"unit": 16.0}, {"raw": -1.0, "residual": 0.3}):
        for scope in ("generation", "assistant"):
            assert cached(eager, prompt, bind(prompt, alphas, scope)) == shared
    assert cached(eager, prompt, None) == shared


def test_steered_blocks_are_shared_by_equal_plans_only(eager, chat, bind):
    prompt = chat(("user", "hello"), ("assistant", LONG), ("user", "thanks"))
    plan = bind(prompt, {"unit": 8.0})
    first_steered = plan.turns[0][0]
    eager.llm.reset_prefix_cache()
    cached(eager, prompt, plan)
    assert cached(eager, prompt, plan) == full_blocks(len(prompt) - 1)
    assert cached(eager, prompt, bind(prompt, {"unit": 12.0})) == full_blocks(first_steered)
    assert cached(eager, prompt, bind(prompt, {"raw": 1.0})) == full_blocks(first_steered)
    assert cached(eager, prompt, None) == full_blocks(first_steered)
    moving = bind(prompt, {"unit": 8.0}, "assistant", Linear(tokens=50))
    assert cached(eager, prompt, moving) == full_blocks(first_steered)


def test_steered_then_unsteered_follow_up_is_clean(eager, chat, bind, reference, by_digest):
    prompt = chat(("user", LONG))
    plan = bind(prompt, {"unit": 24.0})
    eager.llm.reset_prefix_cache()
    answer = eager.generate([prompt], [plan], max_tokens=70, fresh=False)[0].outputs[0]
    follow_up = prompt + list(answer.token_ids) + chat(("user", "and now?"))
    output = eager.generate([follow_up], [None], fresh=False)[0]
    assert output.num_cached_tokens == full_blocks(len(prompt) - 1)
    ids = follow_up + list(output.outputs[0].token_ids)
    expected = reference.logprobs(ids, None, by_digest)
    assert largest_error(output, output.outputs[0], expected) < TOLERANCE


@pytest.mark.parametrize("schedule", [None, Linear(tokens=40, floor=0.1)])
def test_a_conversation_replayed_reuses_the_blocks_of_its_answer(
    engine, chat, bind, reference, by_digest, tokenizer, schedule
):
    """The answer's tokens come back in the next prompt and are steered where they were."""
    options = {} if schedule is None else {"schedule": schedule}
    prompt = chat(("user", LONG))
    engine.llm.reset_prefix_cache()
    plan = bind(prompt, {"unit": 16.0}, **options)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    first = engine.generate([prompt], [plan], max_tokens=80, fresh=False, never=end)[0]
    answer = list(first.outputs[0].token_ids)
    replay = prompt + answer + [end] + chat(("user", "thanks"))
    again = bind(replay, {"unit": 16.0}, **options)
    assert again.turns[0] == (len(prompt) - 1, len(prompt) + len(answer))
    output = engine.generate([replay], [again], fresh=False)[0]
    assert output.num_cached_tokens >= full_blocks(len(prompt) + len(answer) - 1)
    expected = reference.logprobs(replay + list(output.outputs[0].token_ids), again, by_digest)
    assert largest_error(output, output.outputs[0], expected) < TOLERANCE
