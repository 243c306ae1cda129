"""What a throughput benchmark runs: the model's shape, the load, and where."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

RUNNER = "VLLM_USE_V2_MODEL_RUNNER"
"""Set for stock vLLM and for ours alike, so that a figure says which one it is of."""
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "vocab_size": 8000,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True)
class Profile:
    """A model of random weights, and the requests that it serves."""

    name: str
    """Its files are `docs/benchmarks/throughput-NAME.{json,md,png}`."""
    title: str
    model: dict[str, Any]
    """The model's config.json."""
    dtype: str
    requests: int
    steps: int
    """Decode steps of a run, in which all requests are answered at once."""
    turn: int
    """Steps that one engine does before another has its turn: 1, or a whole run where engines do
    not wait for their driver between steps."""
    runs: int = 1
    """Of each case, with each start of the engines."""
    modes: tuple[bool, ...] = (False, True)
    """Whether eager, for each table."""
    starts: int = 1
    """How often all engines are started, in another order each time."""
    boot_together: bool = False
    readout: bool = False
    """Whether it is the tone read-out that is measured, not steering."""
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def hidden(self) -> int:
        return self.model["hidden_size"]

    @property
    def runner(self) -> str:
        return {"0": "V1", "1": "V2"}[self.environment[RUNNER]]

    @property
    def depth(self) -> int:
        return self.model["num_hidden_layers"]


CPU = Profile(
    name="cpu",
    title="CPU",
    model=LLAMA
    | {
        "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 12,
        "num_attention_heads": 16, "num_key_value_heads": 8,
    },
    dtype="float32",
    requests=16,
    steps=64,
    turn=1,
    starts=3,
    environment={
        RUNNER: "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    },
)  # fmt: skip


CPU_READOUT = replace(
    CPU, name="cpu-readout", title="with the tone read-out, CPU", modes=(False,), readout=True
)


def on_gpu(
    name: str, title: str, model: dict[str, Any], kv_cache_gib: int, share: float
) -> Profile:
    """A profile as served: the engine core in a process of its own, CUDA graphs, bf16."""
    return Profile(
        name=name,
        title=title,
        model=LLAMA | model,
        dtype="bfloat16",
        requests=256,
        steps=128,
        turn=128,
        runs=7,
        modes=(False,),
        boot_together=True,
        environment={RUNNER: os.environ.get(RUNNER, "1"), "VLLM_WORKER_MULTIPROC_METHOD": "spawn"},
        options={
            "kv_cache_memory_bytes": kv_cache_gib * 2**30,
            "gpu_memory_utilization": share,
            # Those that the load needs: an engine starts in half the time.
            "compilation_config": {"cudagraph_capture_sizes": [1, 64, 256, 288, 512]},
        },
    )


GPU_1_5B = on_gpu(
    "gpu-1.5b",
    "1.5B shape",
    {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6,
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
        "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    kv_cache_gib=3,
    share=0.1,
)  # fmt: skip
GPU_8B = on_gpu(
    "gpu-8b",
    "8B shape",
    {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    },
    kv_cache_gib=7,
    share=0.22,
)  # fmt: skip
