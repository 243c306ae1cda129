"""The engine tests' fixtures over model runner V2, vLLM's own classes, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engine.conftest import *  # noqa: F403
from tests.engine.engines import CPU, Machine

AT_START = Path(__file__).with_name("interpreter")


SOAK = (
    # The command boots an engine of its own; capture under V2 is in the tests beside it.
    "test_the_command_extracts_the_same_vector_by_either_back_end",
    # What is compiled is the model, by V1's tests too; what is V2's, the runner, is in [eager].
    "test_totals_equal_hugging_face_over_random_traffic[compiled]",
    "test_read_out_engines_give_the_very_logits_of_stock[compiled]",
    "test_a_slot_reads_what_it_is_given_and_nothing_of_a_vector_that_is_not_there[compiled]",
    "test_rows_are_freed_over_hundreds_of_distinct_plans[compiled]",
)
"""Minutes under the interpreter for little that is not tried elsewhere: `pytest -m soak`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks them, before those with the mark are left out."""
    for item in items:
        if item.name in SOAK and item.path.parent == AT_START.parent:
            item.add_marker("soak")


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
