"""The laws, architectures, the prefix cache, preemption and requests, all once more on a GPU."""

from __future__ import annotations

import pytest

from tests.engine.test_architectures import *  # noqa: F403
from tests.engine.test_laws import *  # noqa: F403
from tests.engine.test_preemption import *  # noqa: F403
from tests.engine.test_prefix_cache import *  # noqa: F403
from tests.engine.test_readout import *  # noqa: F403
from tests.engine.test_requests import *  # noqa: F403

pytestmark = pytest.mark.gpu


def test_the_engines_are_what_they_are_meant_to_be(machine, eager, compiled):
    """The model runner under test, CUDA graphs in one engine and none in the other, fp32."""
    v2 = machine.environment["VLLM_USE_V2_MODEL_RUNNER"] == "1"
    for engine, graphs in ((eager, False), (compiled, True)):
        config = engine.llm.llm_engine.vllm_config
        assert config.use_v2_model_runner == v2
        assert config.compilation_config.cudagraph_mode.has_full_cudagraphs() == graphs
        assert engine.status()["dtype"] == "float32"
