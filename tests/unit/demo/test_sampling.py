"""Sampling and reference steering: batched as alone, and gated where the design says."""

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from steersman_demo import heldout
from steersman_demo.model import new_model
from steersman_demo.sample import sample
from steersman_demo.steering import Steering
from steersman_demo.tokenizer import train_tokenizer
from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.schedule import AnySchedule, Constant, Linear

CHATS = [prompt.messages for prompt in heldout.prompts(6, seed=2)]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(0, 500)


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return new_model(tokenizer, 0).eval()


def test_batched_equals_alone(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    steering = Steering({2: torch.randn(256)}, Linear(tokens=1, floor=0.2))
    together = sample(model, tokenizer, CHATS, steering, temperature=0)
    alone = [sample(model, tokenizer, [chat], steering, temperature=0)[0] for chat in CHATS]
    assert together == alone


def test_zero_delta_changes_nothing(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    zero = Steering({1: torch.zeros(256)})
    assert sample(model, tokenizer, CHATS, zero, seed=4) == sample(model, tokenizer, CHATS, seed=4)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [(Constant(), [1.0, 1.0, 1.0]), (Linear(tokens=1, floor=0.25), [1.0, 0.25, 0.25])],
)
def test_gates_cover_assistant_turns_only(
    tokenizer: PreTrainedTokenizerFast, schedule: AnySchedule, expected: list[float]
) -> None:
    chat = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "12"},
        {"role": "user", "content": "ok"},
    ]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
    gates = Steering({}, schedule).prompt_gates(ids, markers_of_tokenizer(tokenizer))
    first = ids.index(tokenizer.convert_tokens_to_ids("1")) - 1
    assert gates[first : first + 3] == expected
    assert gates[-1] == 1.0
    assert sum(gates) == sum(expected) + 1.0
