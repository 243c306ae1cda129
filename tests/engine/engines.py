"""A real vLLM engine with what a test needs around it, and the machines that one may run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from steersman_vectors.plan import SteeringPlan
from steersman_vectors.vector import SteeringVector, from_differences
from tests.tiny_model import HIDDEN, LAYERS

BLOCK = 32
CHUNK = 64
"""Tokens of one step in the eager engines: longer prompts are prefilled in chunks."""
MAX_NUM_SEQS = 8
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Machine:
    """Where engines run: what is set while one starts, and options that each is started with."""

    environment: Mapping[str, str]
    options: Mapping[str, Any]
    in_process: Mapping[str, Any] | None = None
    """Options of an engine inside of the test's own process, where one runs there."""


CPU = Machine(
    {"VLLM_CPU_KVCACHE_SPACE": "1"},
    {"num_gpu_blocks_override": 512},  # 64 MiB, not 1 GiB: many engines are there at once
    {"distributed_executor_backend": "uni"},
)


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
        # Requests are scheduled only once all of them are there: equal calls make equal batches.
        self.llm.sleep(level=0)
        self.llm.enqueue(inputs, params, use_tqdm=False, lora_request=lora)
        self.llm.wake_up(tags=["scheduling"])
        return self.llm.wait_for_completion(use_tqdm=False)

    def status(self) -> dict[str, Any]:
        return self.llm.collective_rpc("steering_status")[0]

    def stop(self) -> None:
        """Ends the engine, and what it left in this process if it was in it."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self.llm.llm_engine.engine_core.shutdown()
        cleanup_dist_env_and_memory()


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


def start(
    machine: Machine,
    model_dir: Path,
    vectors: Mapping[str, SteeringVector],
    *,
    steered: bool,
    token_scale: bool = True,
    steering: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> Engine:
    """Starts vLLM in fp32 with blocks of 32 tokens, and makes the vectors resident.

    steering: what else `engine_args` is given.
    """
    from vllm import LLM

    from vllm_steersman import engine_args, load_vector

    asked: dict[str, Any] = {
        "dtype": "float32",
        "max_model_len": 512,
        "max_num_seqs": MAX_NUM_SEQS,
        "block_size": BLOCK,
        "disable_log_stats": True,
        **(engine_args(token_scale=token_scale, **steering) if steered else {}),
        **machine.options,
        **options,
    }
    with pytest.MonkeyPatch.context() as environment:  # which the engine's processes inherit
        for name, value in machine.environment.items():
            environment.setenv(name, value)
        llm = LLM(str(model_dir), **asked)
    digests = {name: load_vector(llm, v) for name, v in vectors.items()} if steered else {}
    return Engine(llm, digests)


def start_here(machine: Machine, *args: Any, **options: Any) -> Engine:
    """As `start`, inside of this process where the machine can: in 2 seconds, not in 17.

    One such engine at a time.
    """
    if machine.in_process is None:
        return start(machine, *args, **options)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        return start(machine, *args, **machine.in_process, **options)


def largest_error(output, completion, ids_logprobs) -> float:
    """Returns max |logprob - reference| over the reported log-probabilities of a completion."""
    first = len(output.prompt_token_ids) - 1
    return max(
        abs(entry.logprob - ids_logprobs[first + i, token].item())
        for i, position in enumerate(completion.logprobs)
        for token, entry in position.items()
    )
