"""Requests by the hundred, and requests that must be refused: the engine outlives both."""

from __future__ import annotations

import numpy as np
import pytest
from vllm.exceptions import VLLMValidationError

from steersman_vectors.errors import CallerError
from steersman_vectors.vector import from_differences
from tests.engine.engines import MAX_NUM_SEQS, TOLERANCE, largest_error
from tests.tiny_model import HIDDEN, TEXT

pytestmark = pytest.mark.engine


def test_rows_are_freed_over_hundreds_of_distinct_plans(engine, chat, bind, reference, by_digest):
    prompt = chat(("user", TEXT[0]))
    plans = [bind(prompt, {"unit": 4 + i / 100, "raw": 1.0 - i / 300}) for i in range(300)]
    outputs = engine.generate([prompt] * 300, plans, max_tokens=3)
    for i in range(0, 300, 37):
        completion = outputs[i].outputs[0]
        expected = reference.logprobs(prompt + list(completion.token_ids), plans[i], by_digest)
        assert largest_error(outputs[i], completion, expected) < TOLERANCE
    engine.generate([prompt], [None], max_tokens=1)
    status = engine.status()
    assert status["tracked_requests"] == 0
    assert status["rows"] == MAX_NUM_SEQS
    assert 1 <= status["rows_high_water"] <= MAX_NUM_SEQS


def test_a_plan_that_names_an_unknown_vector_fails_alone(eager, chat, bind):
    prompt = chat(("user", TEXT[0]))
    wire = bind(prompt, {"unit": 8.0}).to_wire()
    wire["terms"] = [["sha256:" + "0" * 64, 1.0]]
    with pytest.raises(VLLMValidationError, match="not loaded in the engine"):
        eager.llm.generate({"prompt_token_ids": prompt}, params_with(wire), use_tqdm=False)
    assert eager.generate([prompt], [bind(prompt, {"unit": 8.0})])


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        "empathy",
        {},
        {"terms": [["sha256:xyz", 1.0]], "scope": "all"},
        {"terms": [], "scope": "everywhere"},
        {"terms": [], "scope": "all", "turns": [[0, None]]},
        {"terms": [], "turns": [[4, 2]]},
        {"terms": [], "turns": [[0, None], [5, 9]]},
        {"terms": [], "scope": "all", "schedule": {"kind": "sine"}},
        {"terms": [], "turns": [[2**63, None]]},
    ],
)
def test_a_plan_that_is_none_fails_alone(eager, chat, wire):
    prompt = chat(("user", TEXT[0]))
    with pytest.raises(VLLMValidationError, match="steering"):
        eager.llm.generate({"prompt_token_ids": prompt}, params_with(wire), use_tqdm=False)
    assert eager.generate([prompt], [None])


def test_an_engine_without_steering_refuses_a_plan(stock, chat, bind):
    prompt = chat(("user", TEXT[0]))
    wire = bind(prompt, {"unit": 8.0}).to_wire()
    with pytest.raises(VLLMValidationError, match="started without steering"):
        stock.llm.generate({"prompt_token_ids": prompt}, params_with(wire), use_tqdm=False)


def test_vectors_that_do_not_fit_are_refused_when_loaded(eager):
    from vllm_steersman import load_vector

    wide = from_differences({0: np.ones(HIDDEN + 1)}, name="wide", scale="unit")
    deep = from_differences({99: np.ones(HIDDEN)}, name="deep", scale="unit")
    with pytest.raises(CallerError, match="hidden size 129"):
        load_vector(eager.llm, wide)
    with pytest.raises(CallerError, match=r"leave out \[99\]"):
        load_vector(eager.llm, deep)


def test_scope_is_bound_by_the_engine_when_the_caller_names_one(eager, chat, bind, tokenizer):
    """Offline callers write a scope; intake finds the same turns as the server would."""
    from vllm import SamplingParams

    from vllm_steersman import plan_args

    prompt = chat(("user", TEXT[0]), ("assistant", TEXT[1]), ("user", TEXT[2]))
    bound = eager.generate([prompt], [bind(prompt, {"unit": 16.0})])[0]
    eager.llm.reset_prefix_cache()
    params = SamplingParams(
        temperature=0.0,
        max_tokens=6,
        ignore_eos=True,
        extra_args=plan_args({eager.digests["unit"]: 16.0}),
    )
    scoped = eager.llm.generate({"prompt_token_ids": prompt}, params, use_tqdm=False)[0]
    assert scoped.outputs[0].token_ids == bound.outputs[0].token_ids


def params_with(wire):
    from vllm import SamplingParams

    return SamplingParams(max_tokens=2, extra_args={"steering": wire})
