"""The evaluation set: deterministic, asks for facts, ends with the user."""

from steersman_demo import heldout


def test_prompts_are_deterministic_and_ask_for_facts() -> None:
    prompts = heldout.prompts(200, seed=1)
    assert prompts == heldout.prompts(200, seed=1)
    assert prompts[:50] == heldout.prompts(50, seed=1)
    assert all(prompt.truth.facts for prompt in prompts)
    assert all(prompt.messages[-1]["role"] == "user" for prompt in prompts)
    with_history = [prompt for prompt in prompts if len(prompt.messages) > 2]
    assert 0.3 < len(with_history) / len(prompts) < 0.8


def test_unsafe_prompts_call_for_a_refusal() -> None:
    assert all(prompt.truth.refusal for prompt in heldout.unsafe_prompts(20))
