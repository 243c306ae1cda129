"""Options that cannot be steered exactly are refused at start, each by its name."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"use_v2_model_runner": True, "speculative_config": "ngram"},
            "VLLM_USE_V2_MODEL_RUNNER=0",
        ),
        ({"parallel_config.use_ubatching": True}, "microbatching"),
        ({"parallel_config.use_sequence_parallel_moe": True}, "--enable-expert-parallel"),
        ({"parallel_config.enable_hc_sp": True}, "--enable-hc-sp"),
        ({"parallel_config.prefill_context_parallel_size": 2}, "--prefill-context-parallel"),
        ({"parallel_config.enable_elastic_ep": True}, "--enable-elastic-ep"),
        ({"parallel_config.enable_fault_tolerance": True}, "--enable-fault-tolerance"),
        ({"speculative_config": "ngram", "scheduler_config.async_scheduling": True}, "async"),
        ({"kv_transfer_config": "connector"}, "--kv-transfer-config"),
        ({"cache_config.kv_sharing_fast_prefill": True}, "--kv-sharing-fast-prefill"),
        ({"model_config.enable_sleep_mode": True}, "sleep"),
        ({"model_config.is_encoder_decoder": True}, "encoder-decoder"),
        ({"model_config.runner_type": "pooling"}, "pooling"),
    ],
)
def test_what_cannot_be_steered_exactly_is_named(eager, changes, named):
    """On the options of a real engine, changed one at a time."""
    from vllm_steersman import compat

    config = Changed(eager.llm.llm_engine.vllm_config, changes)
    assert len(compat.refused_features(config)) == 1
    assert named in compat.refused_features(config)[0]
    assert compat.refused_features(eager.llm.llm_engine.vllm_config) == []


class Changed:
    """A view of a config in which some dotted attributes have other values."""

    def __init__(self, config, changes):
        self._config, self._changes = config, changes

    def __getattr__(self, name):
        if name in self._changes:
            if not hasattr(self._config, name):
                older_than_the_option(name)
            return self._changes[name]
        below = {
            k.partition(".")[2]: v for k, v in self._changes.items() if k.startswith(f"{name}.")
        }
        value = getattr(self._config, name)
        return Changed(value, below) if below else value


def older_than_the_option(name):
    """Skips on an older vLLM; on the newest verified one a missing option is one renamed."""
    from vllm_steersman import compat

    assert compat.vllm_version() != compat.VERIFIED_VERSIONS[-1], f"vLLM has no option {name}"
    pytest.skip(f"vLLM {compat.vllm_version()} has no option {name}")
