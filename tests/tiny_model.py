"""Tiny random models with a real tokenizer and chat template: built in a second, loaded by vLLM."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HIDDEN = 128
LAYERS = 4
TEXT = [
    "Where is my order? It has not arrived, and nobody answers the phone.",
    "The invoice of 12 May shows 49 euros; please explain what was charged, and why.",
    "You can reset the password on the account page. Delivery takes three working days.",
    "system user assistant hello thanks sorry yes no please help me with this problem today",
]


def build_tokenizer(folder: Path, chat_template: str | None = CHATML) -> None:
    """Writes a byte-level BPE tokenizer of 320 tokens with ChatML's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "model_max_length": 2048,
    }
    if chat_template is not None:
        config["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def build_tiny_llama(folder: Path, *, seed: int = 0, chat_template: str | None = CHATML) -> Path:
    """Writes a random fp32 Llama (4 blocks of 128, 320 tokens) and returns its folder.

    NOTE: weights are drawn wide, so that logits differ enough for a wrong position to show.
    """
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.2,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    build_tokenizer(folder, chat_template)
    return folder
