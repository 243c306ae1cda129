"""Ways through vLLM's generation: grammars, prefilled answers, aborts, beams, caches in traffic."""

from __future__ import annotations

import math
import random
import re

import pytest

from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Linear
from tests.engine.engines import TOLERANCE, largest_error
from tests.engine.test_laws import WORDS, check_against_reference
from tests.engine.test_prefix_cache import full_blocks
from tests.tiny_model import TEXT

pytestmark = pytest.mark.engine


def test_a_grammar_masks_what_steering_made_of_the_logits(
    eager, chat, bind, reference, by_digest, tokenizer
):
    """The mask moves all log-probabilities by the same amount: their differences stay."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    pattern = "(yes|no), [0-9]{3}"
    prompt = chat(("user", TEXT[0]))
    plans = [bind(prompt, {"unit": 16.0}), bind(prompt, {"raw": -1.0}, "all"), None]
    params = [
        SamplingParams(
            temperature=0.0, max_tokens=12, logprobs=8,
            structured_outputs=StructuredOutputsParams(regex=pattern),
            extra_args=None if plan is None else {"steering": plan.to_wire()},
        )
        for plan in plans
    ]  # fmt: skip
    eager.llm.reset_prefix_cache()
    outputs = eager.llm.generate(
        [{"prompt_token_ids": prompt}] * len(plans), params, use_tqdm=False
    )
    compared = 0
    for output, plan in zip(outputs, plans, strict=True):
        completion = output.outputs[0]
        assert re.fullmatch(pattern, completion.text)
        expected = reference.logprobs(prompt + list(completion.token_ids), plan, by_digest)
        for i, position in enumerate(completion.logprobs):
            allowed = {t: e.logprob for t, e in position.items() if math.isfinite(e.logprob)}
            best = max(allowed, key=allowed.__getitem__)
            assert completion.token_ids[i] == best
            row = expected[len(prompt) - 1 + i]
            for token, logprob in allowed.items():
                difference = (row[token] - row[best]).item()
                assert abs(logprob - allowed[best] - difference) < TOLERANCE
                compared += token != best
    assert compared > 20
    assert len({tuple(o.outputs[0].token_ids) for o in outputs}) > 1


def test_a_prefilled_answer_is_steered_from_its_own_header_on(
    engine, chat, bind, reference, by_digest, tokenizer
):
    from vllm import SamplingParams

    from vllm_steersman import plan_args

    user = {"role": "user", "content": TEXT[0]}
    prefill = {"role": "assistant", "content": TEXT[1]}
    header = chat(("user", TEXT[0]))
    schedule = Linear(tokens=50, floor=0.1)
    params = SamplingParams(
        temperature=0.0, max_tokens=6, logprobs=8, ignore_eos=True,
        extra_args=plan_args({engine.digests["unit"]: 16.0}, schedule=schedule),
    )  # fmt: skip
    engine.llm.reset_prefix_cache()
    output = engine.llm.chat(
        [user, prefill], params, use_tqdm=False,
        continue_final_message=True, add_generation_prompt=False,
    )[0]  # fmt: skip
    ids = list(output.prompt_token_ids)
    assert ids[: len(header)] == header
    assert tokenizer.decode(ids[len(header) :]) == TEXT[1]
    plan = SteeringPlan(
        terms=((engine.digests["unit"], 16.0),),
        schedule=schedule,
        turns=((len(header) - 1, None),),
    )
    check_against_reference([output], [plan], reference, by_digest)


def test_an_aborted_request_leaves_nothing_and_changes_nobody(
    engine, chat, bind, reference, by_digest
):
    from vllm import SamplingParams

    core = engine.llm.llm_engine
    rng = random.Random(71)
    prompts = [chat(("user", " ".join(rng.choices(WORDS, k=20)))) for _ in range(6)]
    plans = [bind(p, {"unit": 8.0 + i}, "all") for i, p in enumerate(prompts)]
    engine.llm.reset_prefix_cache()
    for i, (prompt, plan) in enumerate(zip(prompts, plans, strict=True)):
        params = SamplingParams(
            temperature=0.0, max_tokens=12, logprobs=8, ignore_eos=True,
            extra_args={"steering": plan.to_wire()},
        )  # fmt: skip
        core.add_request(f"abort-{i}", {"prompt_token_ids": prompt}, params)
    finished = {}
    step = 0
    while core.has_unfinished_requests():
        for output in core.step():
            if output.finished:
                finished[output.request_id] = output
        step += 1
        if step == 4:
            core.abort_request(["abort-0", "abort-3"])
        if step == 6:
            core.abort_request(["abort-5"])
    survivors = [1, 2, 4]
    assert [len(finished[f"abort-{i}"].outputs[0].token_ids) for i in survivors] == [12] * 3
    check_against_reference(
        [finished[f"abort-{i}"] for i in survivors],
        [plans[i] for i in survivors],
        reference,
        by_digest,
    )
    engine.generate([prompts[0]], [None], max_tokens=1)
    assert engine.status()["tracked_requests"] == 0


def test_beam_search_cannot_carry_a_plan_and_runs_as_in_stock_vllm(eager, stock, chat, bind):
    """Its requests are made inside of vLLM; over HTTP it is refused together with steering."""
    from vllm.sampling_params import BeamSearchParams

    assert "extra_args" not in BeamSearchParams.__struct_fields__
    prompt = chat(("user", TEXT[0]))
    eager.generate([prompt] * 4, [bind(prompt, {"unit": 24.0}, "all")] * 4)
    params = BeamSearchParams(beam_width=3, max_tokens=6, ignore_eos=True)

    def beams(engine):
        engine.llm.reset_prefix_cache()
        (output,) = engine.llm.beam_search([{"prompt_token_ids": prompt}], params)
        return [(tuple(s.tokens), s.cum_logprob) for s in output.sequences]

    assert beams(eager) == beams(stock)


@pytest.mark.parametrize("seed", range(2))
def test_a_cache_in_traffic_never_serves_what_another_plan_computed(
    engine, seed, chat, bind, reference, by_digest
):
    """Prompts that share beginnings, cut anywhere, under few plans: every scope moves its end."""
    rng = random.Random(seed)

    def words(k: int) -> str:
        return " ".join(rng.choices(WORDS, k=k))

    turns = [("user", words(12)), ("assistant", words(30)), ("user", words(5))]
    conversation = chat(*turns, ("assistant", words(40)), ("user", words(8)))
    engine.llm.reset_prefix_cache()
    reused = 0
    for _ in range(24):
        prompt = conversation[: rng.randrange(40, len(conversation) + 1)]
        plan = None
        if rng.random() < 0.85:
            plan = bind(
                prompt,
                rng.choice([{"unit": 8.0}, {"unit": 16.0}, {"raw": 1.0, "unit": 8.0}]),
                rng.choice(["generation", "assistant", "all"]),
                rng.choice([CONSTANT, Linear(tokens=40, floor=0.2)]),
            )
        (output,) = engine.generate([prompt], [plan], max_tokens=4, fresh=False)
        ids = prompt + list(output.outputs[0].token_ids)
        expected = reference.logprobs(ids, plan, by_digest)
        assert largest_error(output, output.outputs[0], expected) < TOLERANCE, plan
        reused += output.num_cached_tokens
    assert reused > 0


def test_generation_scope_reuses_what_lies_before_the_prompts_end_only(
    eager, chat, bind, reference, by_digest
):
    """The answer of the last turn is unsteered in the next: its steered blocks are not taken."""
    first = chat(("user", " ".join(TEXT)))
    eager.llm.reset_prefix_cache()
    plan = bind(first, {"unit": 16.0}, "generation")
    answer = eager.generate([first], [plan], max_tokens=70, fresh=False)[0].outputs[0]
    follow_up = first + list(answer.token_ids) + chat(("user", "and now?"))
    cached = []
    for _ in range(2):
        again = bind(follow_up, {"unit": 16.0}, "generation")
        output = eager.generate([follow_up], [again], fresh=False)[0]
        ids = follow_up + list(output.outputs[0].token_ids)
        expected = reference.logprobs(ids, again, by_digest)
        assert largest_error(output, output.outputs[0], expected) < TOLERANCE
        cached.append(output.num_cached_tokens)
    assert cached == [full_blocks(len(first) - 1), full_blocks(len(follow_up) - 1)]
