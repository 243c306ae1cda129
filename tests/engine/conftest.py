"""Real engines, booted once per session and shared: stock, steered eager, steered compiled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from steersman_vectors.card import Scope
from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, AnySchedule
from steersman_vectors.spans import steered_turns
from steersman_vectors.vector import SteeringVector, from_differences
from tests.engine.reference import HuggingFaceReference
from tests.tiny_model import HIDDEN, LAYERS, build_tiny_llama

BLOCK = 32
CHUNK = 64
"""Tokens of one step in the eager engines: longer prompts are prefilled in chunks."""
MAX_NUM_SEQS = 8
TOLERANCE = 1e-4

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")


@dataclass
class Engine:
    """A `vllm.LLM` with what a test needs around it."""

    llm: Any
    digests: dict[str, str]

    def generate(
        self,
        prompts: Sequence[list[int] | dict[str, Any]],
        plans: Sequence[SteeringPlan | None],
        *,
        max_tokens: int = 6,
        n: int = 1,
        fresh: bool = True,
        never: int | None = None,
        lora: Sequence[Any] | None = None,
    ) -> list[Any]:
        """Returns vLLM's outputs, greedy for n = 1, else sampled; fresh empties the prefix cache.

        NOTE: never seeded. On vLLM 0.32's CPU build a seeded request takes the whole engine down
        when its prompt is prefilled in chunks ("CPU Generator does not use offset").
        """
        from vllm import SamplingParams

        if fresh:
            self.llm.reset_prefix_cache()
        params = [
            SamplingParams(
                temperature=0.0 if n == 1 else 1.0,
                n=n,
                max_tokens=max_tokens,
                logprobs=8,
                ignore_eos=True,
                logit_bias=None if never is None else {never: -100.0},
                extra_args=None if plan is None else {"steering": plan.to_wire()},
            )
            for plan in plans
        ]
        inputs = [p if isinstance(p, dict) else {"prompt_token_ids": p} for p in prompts]
        return self.llm.generate(inputs, params, use_tqdm=False, lora_request=lora)

    def status(self) -> dict[str, Any]:
        return self.llm.collective_rpc("steering_status")[0]


def make_vectors() -> dict[str, SteeringVector]:
    """One vector of each scale, over different layers, the last block included."""
    rng = np.random.default_rng(3)

    def draw(*layers: int) -> dict[int, np.ndarray]:
        return {i: rng.normal(size=HIDDEN) for i in layers}

    norms = dict.fromkeys(range(LAYERS), 30.0)
    return {
        "raw": from_differences(draw(1), name="raw", scale="raw"),
        "unit": from_differences(draw(0, 2, 3), name="unit", scale="unit"),
        "residual": from_differences(
            draw(1, 2), name="residual", scale="residual", residual_norms=norms
        ),
        "token": from_differences(draw(0, 2), name="token", scale="token"),
    }


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


def boot(model_dir, vectors, *, steered: bool, token_scale: bool = True, **options: Any) -> Engine:
    from vllm import LLM

    from vllm_steersman import engine_args, load_vector

    llm = LLM(
        str(model_dir),
        dtype="float32",
        max_model_len=512,
        max_num_seqs=MAX_NUM_SEQS,
        block_size=BLOCK,
        **{
            "disable_log_stats": True,
            **(engine_args(token_scale=token_scale) if steered else {}),
            **options,
        },
    )
    digests = {name: load_vector(llm, v) for name, v in vectors.items()} if steered else {}
    return Engine(llm, digests)


@pytest.fixture(scope="session")
def stock(model_dir, vectors) -> Engine:
    """Plain vLLM, eager, prefill in chunks of 64 tokens; its core never loads the plugin."""
    from vllm.plugins import load_general_plugins

    load_general_plugins()  # in this process, for the engines after this one
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_PLUGINS", "")
        # A forked core would inherit what the plugin has wrapped here.
        environment.setenv("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        return boot(
            model_dir, vectors, steered=False, enforce_eager=True, max_num_batched_tokens=CHUNK
        )


@pytest.fixture(scope="session")
def eager(model_dir, vectors) -> Engine:
    """Steered, eager, prefill in chunks of 64 tokens: the same options as `stock`."""
    return boot(model_dir, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK)


@pytest.fixture(scope="session")
def compiled(model_dir, vectors) -> Engine:
    """Steered, compiled, whole prompts in one step."""
    return boot(model_dir, vectors, steered=True, max_num_batched_tokens=1024)


@pytest.fixture(params=["eager", "compiled"])
def engine(request) -> Engine:
    """Each steered engine in turn."""
    return request.getfixturevalue(request.param)


def largest_error(output, completion, ids_logprobs) -> float:
    """Returns max |logprob - reference| over the reported log-probabilities of a completion."""
    first = len(output.prompt_token_ids) - 1
    return max(
        abs(entry.logprob - ids_logprobs[first + i, token].item())
        for i, position in enumerate(completion.logprobs)
        for token, entry in position.items()
    )
