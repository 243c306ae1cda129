"""The engine tests' fixtures over model runner V2, vLLM's own classes, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engine.conftest import *  # noqa: F403
from tests.engine.engines import CPU, Machine

AT_START = Path(__file__).with_name("interpreter")


@pytest.fixture(scope="session")
def machine():
    """Model runner V2, its kernels executed by Triton's interpreter: see `interpreter/`."""
    path = os.pathsep.join(filter(None, [str(AT_START), os.environ.get("PYTHONPATH")]))
    v2 = {"VLLM_USE_V2_MODEL_RUNNER": "1", "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    spawned = {
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1",  # offline engines too: Triton is made up at start
    }
    with pytest.MonkeyPatch.context() as here:
        here.setattr("vllm.config.vllm.HAS_TRITON", True)  # this process only configures
        yield Machine({**CPU.environment, **v2, **spawned}, CPU.options)
