"""Real engines, booted once per session and shared: stock, steered eager, steered compiled.

`tests/gpu` takes these fixtures over and puts its own `machine` under them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from transformers import AutoTokenizer

from steersman_vectors.card import Scope
from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, AnySchedule
from steersman_vectors.spans import steered_turns
from steersman_vectors.vector import SteeringVector
from tests.engine.engines import CHUNK, CPU, Engine, Machine, make_vectors, start, start_here
from tests.engine.reference import HuggingFaceReference
from tests.tiny_model import build_tiny_llama

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported


@pytest.fixture(scope="session")
def machine() -> Machine:
    return CPU


@pytest.fixture(scope="session")
def boot(machine) -> Callable[..., Engine]:
    """Returns `start` on this machine."""
    return partial(start, machine)


@pytest.fixture(scope="session")
def boot_here(boot, machine) -> Callable[..., Engine]:
    """Returns `start_here` on this machine: for engines that one module needs."""
    return partial(start_here, machine)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory):
    return build_tiny_llama(tmp_path_factory.mktemp("model") / "tiny-llama")


@pytest.fixture(scope="session")
def vectors() -> dict[str, SteeringVector]:
    return make_vectors()


@pytest.fixture(scope="session")
def by_digest(vectors) -> dict[str, SteeringVector]:
    return {native.digest(native.dumps(v)): v for v in vectors.values()}


@pytest.fixture(scope="session")
def reference(model_dir) -> HuggingFaceReference:
    return HuggingFaceReference(model_dir)


@pytest.fixture(scope="session")
def tokenizer(model_dir):
    return AutoTokenizer.from_pretrained(model_dir)


@pytest.fixture(scope="session")
def bind(tokenizer, vectors):
    """Returns a function that makes a plan with its turns found in a prompt."""
    markers = markers_of_tokenizer(tokenizer)
    digests = {name: native.digest(native.dumps(v)) for name, v in vectors.items()}

    def make(
        prompt: list[int],
        alphas: dict[str, float],
        scope: Scope = "assistant",
        schedule: AnySchedule = CONSTANT,
    ) -> SteeringPlan:
        terms = tuple((digests[name], alpha) for name, alpha in alphas.items())
        plan = SteeringPlan(terms=terms, scope=scope, schedule=schedule)
        return plan.with_turns(steered_turns(scope, prompt, markers))

    return make


@pytest.fixture(scope="session")
def chat(tokenizer):
    """Returns a function from (role, text) turns to prompt token ids with a generation header."""

    def render(*turns: tuple[str, str]) -> list[int]:
        messages = [{"role": role, "content": text} for role, text in turns]
        return tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False
        )

    return render


@pytest.fixture(scope="session")
def stock(boot, model_dir, vectors) -> Iterator[Engine]:
    """Plain vLLM, eager, prefill in chunks of 64 tokens; its core never loads the plugin."""
    from vllm.plugins import load_general_plugins

    load_general_plugins()  # in this process, for the engines after this one
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_PLUGINS", "")
        # A forked core would inherit what the plugin has wrapped here.
        environment.setenv("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        engine = boot(
            model_dir, vectors, steered=False, enforce_eager=True, max_num_batched_tokens=CHUNK
        )
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def eager(boot, model_dir, vectors) -> Iterator[Engine]:
    """Steered, eager, prefill in chunks of 64 tokens: the same options as `stock`."""
    engine = boot(
        model_dir, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK
    )
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def compiled(boot, model_dir, vectors) -> Iterator[Engine]:
    """Steered, compiled, whole prompts in one step; on a GPU in CUDA graphs."""
    engine = boot(model_dir, vectors, steered=True, max_num_batched_tokens=1024)
    yield engine
    engine.stop()


@pytest.fixture(params=["eager", "compiled"])
def engine(request) -> Engine:
    """Each steered engine in turn."""
    return request.getfixturevalue(request.param)
