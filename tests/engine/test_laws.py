"""Laws 1 to 4 of DESIGN section 3, on real engines against the Hugging Face oracle."""

from __future__ import annotations

import random

import pytest

from steersman_vectors.schedule import CONSTANT, Exponential, Linear
from tests.engine.engines import CHUNK, TOLERANCE, largest_error
from tests.tiny_model import TEXT

pytestmark = pytest.mark.engine

ALPHAS = {"raw": 1.0, "unit": 20.0, "residual": 0.4, "token": 0.6}
WORDS = " ".join(TEXT).split()


def random_turns(rng: random.Random) -> list[tuple[str, str]]:
    """A conversation of one to five turns, sometimes long, ending with the user."""
    turns = [("system", "Please help.")] if rng.random() < 0.5 else []
    for _ in range(rng.randrange(3)):
        turns.append(("user", " ".join(rng.choices(WORDS, k=rng.randrange(1, 20)))))
        turns.append(("assistant", " ".join(rng.choices(WORDS, k=rng.randrange(1, 30)))))
    turns.append(("user", " ".join(rng.choices(WORDS, k=rng.randrange(1, 30)))))
    return turns


def random_plan(rng: random.Random, prompt, bind):
    names = rng.sample(sorted(ALPHAS), rng.randrange(1, 5))
    alphas = {name: rng.choice([-1.0, 0.5, 1.0]) * ALPHAS[name] for name in names}
    scope = rng.choice(["assistant", "generation", "all"])
    schedule = rng.choice(
        [
            CONSTANT,
            Linear(tokens=1, floor=0.25),
            Linear(tokens=9, floor=0.0),
            Exponential(half_life_tokens=5, floor=0.1),
        ]
    )
    return bind(prompt, alphas, scope, schedule)


def check_against_reference(outputs, plans, reference, by_digest) -> None:
    for output, plan in zip(outputs, plans, strict=True):
        for completion in output.outputs:
            ids = list(output.prompt_token_ids) + list(completion.token_ids)
            expected = reference.logprobs(ids, plan, by_digest)
            error = largest_error(output, completion, expected)
            assert error < TOLERANCE, (error, plan)


class TestLaw1Unsteered:
    def test_no_plan_is_bit_equal_to_stock(self, stock, eager, chat):
        rng = random.Random(1)
        prompts = [chat(*random_turns(rng)) for _ in range(6)]
        expected = stock.generate(prompts, [None] * 6)
        got = eager.generate(prompts, [None] * 6)
        assert [signature(o) for o in got] == [signature(o) for o in expected]

    def test_alpha_zero_is_bit_equal_to_stock(self, stock, eager, chat, bind):
        rng = random.Random(2)
        prompts = [chat(*random_turns(rng)) for _ in range(6)]
        plans = [bind(p, {"unit": 0.0, "raw": 0.0}, "all") for p in prompts]
        expected = stock.generate(prompts, [None] * 6)
        got = eager.generate(prompts, plans)
        assert [signature(o) for o in got] == [signature(o) for o in expected]

    def test_unsteered_after_steered_is_bit_equal_to_stock(self, stock, eager, chat, bind):
        prompt = chat(("user", TEXT[0]))
        eager.generate([prompt] * 5, [bind(prompt, {"unit": 24.0}, "all")] * 5)
        expected = stock.generate([prompt], [None])
        assert signature(eager.generate([prompt], [None])[0]) == signature(expected[0])


class TestLaw2EqualsHuggingFace:
    def test_steering_changes_the_answer(self, engine, chat, bind):
        prompt = chat(("user", TEXT[0]))
        plan = bind(prompt, {"unit": 20.0})
        steered, plain = engine.generate([prompt, prompt], [plan, None])
        assert steered.outputs[0].token_ids != plain.outputs[0].token_ids

    @pytest.mark.parametrize("scope", ["generation", "assistant", "all"])
    @pytest.mark.parametrize("vector", sorted(ALPHAS))
    def test_each_scale_and_scope(self, engine, scope, vector, chat, bind, reference, by_digest):
        prompt = chat(("user", TEXT[0]), ("assistant", TEXT[1]), ("user", TEXT[2]))
        plans = [bind(prompt, {vector: ALPHAS[vector]}, scope)]
        outputs = engine.generate([prompt], plans)
        check_against_reference(outputs, plans, reference, by_digest)

    def test_random_plans_in_one_batch(self, engine, chat, bind, reference, by_digest):
        rng = random.Random(5)
        prompts = [chat(*random_turns(rng)) for _ in range(24)]
        plans = [random_plan(rng, p, bind) if rng.random() < 0.8 else None for p in prompts]
        outputs = engine.generate(prompts, plans, max_tokens=12)
        check_against_reference(outputs, plans, reference, by_digest)

    def test_prompt_logprobs_see_earlier_turns(self, eager, chat, bind, reference, by_digest):
        from vllm import SamplingParams

        prompt = chat(("user", TEXT[0]), ("assistant", TEXT[1]), ("user", TEXT[2]))
        plan = bind(prompt, {"unit": 16.0, "raw": 1.0})
        eager.llm.reset_prefix_cache()
        params = SamplingParams(
            max_tokens=1, prompt_logprobs=2, extra_args={"steering": plan.to_wire()}
        )
        output = eager.llm.generate({"prompt_token_ids": prompt}, params, use_tqdm=False)[0]
        expected = reference.logprobs(prompt, plan, by_digest)
        for t, entries in enumerate(output.prompt_logprobs[1:]):
            for token, entry in entries.items():
                assert abs(entry.logprob - expected[t, token].item()) < TOLERANCE


class TestLaw3OneRequestOneResult:
    def test_chunked_equals_the_reference(self, eager, chat, bind, reference, by_digest):
        rng = random.Random(7)
        prompts = [chat(("user", TEXT[0] * 3), *random_turns(rng)) for _ in range(4)]
        assert min(map(len, prompts)) > CHUNK
        plans = [random_plan(rng, p, bind) for p in prompts]
        check_against_reference(eager.generate(prompts, plans), plans, reference, by_digest)

    def test_alone_equals_batched(self, engine, chat, bind):
        rng = random.Random(11)
        prompts = [chat(*random_turns(rng)) for _ in range(10)]
        plans = [random_plan(rng, p, bind) for p in prompts]
        together = engine.generate(prompts, plans)
        alone = [engine.generate([p], [q])[0] for p, q in zip(prompts, plans, strict=True)]
        for a, b in zip(alone, together, strict=True):
            assert a.outputs[0].token_ids == b.outputs[0].token_ids
            assert close(a, b)

    def test_cold_equals_warm(self, engine, chat, bind):
        prompt = chat(("user", TEXT[0] * 2), ("assistant", TEXT[1] * 2), ("user", TEXT[2]))
        plan = bind(prompt, {"unit": 16.0}, "assistant", Linear(tokens=7, floor=0.2))
        cold = engine.generate([prompt], [plan])[0]
        warm = engine.generate([prompt], [plan], fresh=False)[0]
        assert (cold.num_cached_tokens, warm.num_cached_tokens > 0) == (0, True)
        assert cold.outputs[0].token_ids == warm.outputs[0].token_ids
        assert close(cold, warm)

    def test_each_of_n_equals_the_reference(self, engine, chat, bind, reference, by_digest):
        prompt = chat(("user", TEXT[0]))
        plan = bind(prompt, {"unit": 16.0, "residual": 0.4})
        outputs = engine.generate([prompt], [plan], n=2)
        assert len(outputs[0].outputs) == 2
        check_against_reference(outputs, [plan], reference, by_digest)


class TestLaw4Neighbours:
    def test_a_neighbours_plan_never_changes_my_logits(self, eager, chat, bind):
        mine = chat(("user", TEXT[0]))
        others = [chat(("user", TEXT[i])) for i in (1, 2, 3)]
        quiet = eager.generate([mine, *others], [None] * 4)[0]
        loud = [bind(p, {"unit": 32.0, "raw": -2.0}, "all") for p in others]
        assert signature(eager.generate([mine, *others], [None, *loud])[0]) == signature(quiet)


def signature(output):
    """Tokens and log-probabilities, exactly."""
    completion = output.outputs[0]
    logprobs = [{t: e.logprob for t, e in p.items()} for p in completion.logprobs]
    return completion.token_ids, logprobs


def close(a, b) -> bool:
    """Whether two outputs agree in the chosen tokens' log-probabilities to 1e-4."""
    return all(
        abs(p[t].logprob - q[t].logprob) < TOLERANCE
        for p, q, t in zip(
            a.outputs[0].logprobs, b.outputs[0].logprobs, a.outputs[0].token_ids, strict=True
        )
    )
