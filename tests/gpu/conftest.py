"""The engine tests' fixtures on a GPU, over model runners V2 and V1."""

from __future__ import annotations

import pytest
import torch

from tests.engine.conftest import *  # noqa: F403
from tests.engine.engines import Machine

ENVIRONMENT = {
    "TRITON_F32_DEFAULT": "ieee",  # else the attention's fp32 products are rounded to TF32
    "VLLM_FLOAT32_MATMUL_PRECISION": "highest",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "1",  # test_async_scheduling.py sends workers a function
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}
OPTIONS = {
    "attention_backend": "TRITON_ATTN",  # FlashAttention has no fp32
    "gpu_memory_utilization": 0.1,  # several engines at once; the size of their caches is fixed
    "kv_cache_memory_bytes": 256 * 2**20,
}


@pytest.fixture(scope="session", autouse=True)
def gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU: torch.cuda.is_available() is False")


@pytest.fixture(scope="session", params=["1", "0"], ids=["V2", "V1"])
def machine(gpu, request) -> Machine:
    """Each of vLLM's model runners in turn."""
    return Machine({**ENVIRONMENT, "VLLM_USE_V2_MODEL_RUNNER": request.param}, OPTIONS)
