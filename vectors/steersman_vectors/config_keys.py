"""Which keys of a model's config files decide what the weights compute.

Both lists say what is left out, because a key that nobody listed must count: a new fingerprint for
the same model costs an import, the same fingerprint for another model would apply a wrong vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model_dir import TEXT_CONFIG_KEYS

_NOWHERE = frozenset(
    {
        "_name_or_path",
        "name_or_path",
        "_commit_hash",
        "_attn_implementation",
        "_attn_implementation_autoset",
        "_attn_implementation_internal",
        "_from_model_config",
        "transformers_version",
        "transformers.js_config",
        "torch_dtype",
        "dtype",
        "use_cache",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "return_dict_in_generate",
        "use_return_dict",
        "torchscript",
        "unsloth_version",
        "unsloth_fixed",
    }
)
"""Keys of config.json that do not count at any depth: paths, versions, how outputs are returned."""

_GENERATION = frozenset(
    {
        "max_length",
        "max_new_tokens",
        "min_length",
        "min_new_tokens",
        "do_sample",
        "early_stopping",
        "num_beams",
        "num_beam_groups",
        "diversity_penalty",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "length_penalty",
        "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size",
        "bad_words_ids",
        "num_return_sequences",
        "output_scores",
        "exponential_decay_length_penalty",
        "suppress_tokens",
        "begin_suppress_tokens",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "remove_invalid_values",
        "task_specific_params",
        "problem_type",
        "id2label",
        "label2id",
        "num_labels",
        "finetuning_task",
    }
)
"""Keys that do not count where transformers wrote generation settings and task heads: at the top
and in a text part. Elsewhere, the same word is the model's own: `ffn_config.top_k` is how many
experts see a token."""

_NOT_TOKENIZATION = frozenset(
    {
        "chat_template",
        "name_or_path",
        "transformers_version",
        "is_local",
        "local_files_only",
        "unsloth_version",
    }
)


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of config.json that decides what the weights compute.

    Without the top's `quantization_config`, which has its own place in the manifest.
    """
    counted = {key: value for key, value in config.items() if key != "quantization_config"}
    return _counted(counted, generation_settings=True)


def tokenization(tokenizer_config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of tokenizer_config.json that decides which ids a text becomes.

    Not the chat template: it decides what text a conversation becomes, and a card has its hash.
    """
    return {k: v for k, v in tokenizer_config.items() if k not in _NOT_TOKENIZATION}


def _counted(config: Mapping[str, Any], *, generation_settings: bool) -> dict[str, Any]:
    left_out = _NOWHERE | _GENERATION if generation_settings else _NOWHERE
    return {
        key: _counted(value, generation_settings=key in TEXT_CONFIG_KEYS)
        if isinstance(value, Mapping)
        else value
        for key, value in config.items()
        if key not in left_out
    }
