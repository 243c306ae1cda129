"""The tokenizer: single digits, lossless text, a chat template with three roles."""

import pytest
from transformers import PreTrainedTokenizerFast

from steersman_demo.tokenizer import train_tokenizer
from steersman_vectors.chat_template import markers_of_tokenizer

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is order #48213? I paid $45."},
    {"role": "assistant", "content": "Order 48213: due Monday."},
    {"role": "user", "content": "Thanks"},
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(seed=0, conversation_count=500)


def test_digits_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = tokenizer.tokenize("order 48213, $45")
    assert [token for token in tokens if any(c.isdigit() for c in token)] == list("4821345")


def test_text_survives(tokenizer: PreTrainedTokenizerFast) -> None:
    for text in ("Order 48213: due Monday. ", "Grüße, 東京!", "a\n\nb  c"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_chat_template_round_trip(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True)["input_ids"]
    assert tokenizer.decode(ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nWhere is order #48213? I paid $45.<|im_end|>\n"
        "<|im_start|>assistant\nOrder 48213: due Monday.<|im_end|>\n"
        "<|im_start|>user\nThanks<|im_end|>\n<|im_start|>assistant\n"
    )


def test_unknown_role_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(Exception, match="Unknown role"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}])


def test_turn_markers_can_be_derived(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True)["input_ids"]
    turns = markers_of_tokenizer(tokenizer).find(ids)
    assert len(turns) == 2
    start, end = turns[0]
    assert tokenizer.decode(ids[start + 1 : end]) == "Order 48213: due Monday."
    assert turns[1] == (len(ids) - 1, None)
