"""Every private vLLM name that Steersman relies on, and the versions they were verified on.

NOTE: no other file of the plugin imports vLLM. Each seam below names its vLLM function, and
`tests/engine` runs all of them. The server's part (vLLM's command line) is in its `vllm_api.py`.

    verified           how
    0.32.0             all of tests, on the CPU build with runner V1
    0.28.0 to 0.31.0   likewise: laws, prefix cache, preemption and requests of tests/engine,
                       tests/unit/plugins, tests/e2e/test_openai_client.py
    0.27.1             as 0.28.0; 0.27.0 differs from it in a draft model's file only
    0.26.0             as 0.28.0, on torch 2.11's CUDA build without a GPU

Runner V2: on 0.32.0 the laws, prefix cache, preemption and requests on vLLM's own classes, Triton
interpreted on a CPU (tests/engine_v2); on each release the classes' shape. No GPU yet (tests/gpu).
`deploy/setup/verify_version.sh` repeats this for any release that has a CPU build.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steersman_vectors.engine_contract import read_engine_config
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.plan import EXTRA_ARGS_KEY, SteeringPlan

VERIFIED_VERSIONS = (
    "0.26.0", "0.27.0", "0.27.1", "0.28.0", "0.29.0", "0.30.0", "0.31.0", "0.32.0",
)  # fmt: skip
"""Oldest first."""
OVERRIDE_ENV = "STEERSMAN_ALLOW_VLLM"
IN_PROCESS_ENV = "VLLM_ENABLE_V1_MULTIPROCESSING"
CPU_CACHE_ENV = "VLLM_CPU_KVCACHE_SPACE"
CPU_BLOCK_TOKENS = 128
BYTES_OF_FP32 = 4
OFFLINE_STEP_TOKENS = 4096
"""Tokens of one step offline on a CPU, if no prompt needs more."""
TOKEN_SCALE_ARCHITECTURES = frozenset(
    {
        "Gemma3ForCausalLM",
        "GPT2LMHeadModel",
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Olmo2ForCausalLM",
        "Phi3ForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
    }
)
"""Where x was seen to be `hidden + residual`, or `hidden` alone, in `tests/engine`.

NOTE: some blocks of vLLM return a residual that `hidden` already holds (Cohere, EXAONE 4, ...). A
delta goes to `hidden` and is right either way; a norm is not.
"""

_ORIGINAL = "_steersman_original"
_installed = False


def check_version() -> None:
    """Raises `OperatorError(vllm_version_unverified)` unless the installed vLLM was verified."""
    version = vllm_version()
    if version in VERIFIED_VERSIONS or os.environ.get(OVERRIDE_ENV) == version:
        return
    raise OperatorError(
        f"Steersman was verified on vLLM {', '.join(VERIFIED_VERSIONS)}; this is {version}. "
        f"Install a verified version, or set {OVERRIDE_ENV}={version} to run unverified at your "
        "own risk, or leave 'steersman' out of VLLM_PLUGINS to run vLLM without steering",
        code="vllm_version_unverified",
    )


def vllm_version() -> str:
    """Returns the installed vLLM's release, local suffix removed (`0.32.0+cpu` -> `0.32.0`)."""
    import vllm

    return str(vllm.__version__).partition("+")[0]


def install() -> None:
    """Wraps vLLM's seams, once per process."""
    global _installed
    if _installed:
        return
    _installed = True
    _install_intake()
    _install_prefix_cache()
    _install_runner_v1()
    _install_runner_v2()
    _install_coordinator()


def _install_intake() -> None:
    """`InputProcessor`: built before the engine starts, then a request's last stop before it.

    vLLM answers a `VLLMValidationError` with HTTP 400; offline it is raised.
    """
    from vllm.exceptions import VLLMValidationError
    from vllm.v1.engine.input_processor import InputProcessor

    from .intake import check_engine, take_in

    original = InputProcessor.process_inputs

    @functools.wraps(original)
    def process_inputs(self: Any, *args: Any, **kwargs: Any) -> Any:
        request = original(self, *args, **kwargs)
        try:
            return take_in(self, request)
        except CallerError as error:
            message = f"{error.message} ({error.code})"
            raise VLLMValidationError(message, parameter=error.param) from error

    InputProcessor.process_inputs = process_inputs
    _before(
        InputProcessor, "__init__", lambda _, vllm_config, *__, **___: check_engine(vllm_config)
    )


def _install_prefix_cache() -> None:
    """`_gen_prompt_embeds_extra_hash_keys`: looked up in its module at every block hash."""
    from vllm.v1.core import kv_cache_utils

    from .prefix_cache import steering_hash_keys

    original = kv_cache_utils._gen_prompt_embeds_extra_hash_keys

    @functools.wraps(original)
    def extra_keys(request: Any, start: int, end: int) -> list[tuple[str, bytes]]:
        keys: list[tuple[str, bytes]] = original(request, start, end)
        steering = steering_hash_keys(request, start, end)
        return keys + steering if steering else keys

    kv_cache_utils._gen_prompt_embeds_extra_hash_keys = extra_keys


def _install_runner_v1() -> None:
    """`GPUModelRunner`, which the CPU runner inherits: load, batch changes, inputs, dummy runs."""
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    from . import runner_v1

    for runner_class in (GPUModelRunner, CPUModelRunner):
        if "load_model" in vars(runner_class):
            _after(runner_class, "load_model", runner_v1.after_load_model)
    _after(GPUModelRunner, "_update_states", runner_v1.after_update_states)
    _after(GPUModelRunner, "_prepare_inputs", runner_v1.after_prepare_inputs)
    _before(GPUModelRunner, "_dummy_run", runner_v1.before_dummy_run)


def _install_runner_v2() -> None:
    """`gpu.model_runner.GPUModelRunner.load_model`, which makes the runner's `model_state`."""
    from vllm.v1.worker.gpu.model_runner import GPUModelRunner

    from . import runner_v2

    _after(GPUModelRunner, "load_model", runner_v2.after_load_model)


def _install_coordinator() -> None:
    """`DPCoordinatorProc.run_coordinator`: run in the one process that loads no plugins."""
    from vllm.v1.engine.coordinator import DPCoordinatorProc

    setattr(DPCoordinatorProc, _ORIGINAL, DPCoordinatorProc.run_coordinator)
    DPCoordinatorProc.run_coordinator = staticmethod(run_coordinator)


def run_coordinator(*args: Any, **kwargs: Any) -> None:
    """Runs vLLM's data-parallel coordinator; a new process finds this function by its name.

    NOTE: a forked process has what `install` left there, a spawned one has vLLM as it is.
    """
    from vllm.v1.engine.coordinator import DPCoordinatorProc

    from .orphan import end_with_parent

    end_with_parent()
    getattr(DPCoordinatorProc, _ORIGINAL, DPCoordinatorProc.run_coordinator)(*args, **kwargs)


def before_method(instance: Any, name: str, first: Callable[..., None]) -> None:
    """Has `first` called, with the same arguments, before the method of this one object."""
    original = getattr(instance, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        first(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(instance, name, wrapped)


def _after(owner: type, name: str, then: Callable[..., None]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        then(self, *args, **kwargs)
        return result

    setattr(owner, name, wrapped)


def _before(owner: type, name: str, first: Callable[..., None]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        first(self, *args, **kwargs)
        return original(self, *args, **kwargs)

    setattr(owner, name, wrapped)


def refused_features(vllm_config: Any, *, token_scale: bool = False) -> list[str]:
    """Returns what this engine was started with that cannot be steered exactly, and the remedy."""
    return [
        *_refused_speculation(vllm_config),
        *_refused_options(vllm_config),
        *refused_models(vllm_config.model_config, token_scale=token_scale),
    ]


def _refused_speculation(vllm_config: Any) -> Iterator[str]:
    if vllm_config.speculative_config is None:
        return
    if vllm_config.use_v2_model_runner:
        yield (
            "speculative decoding under model runner V2, which knows positions on the device only "
            "(set VLLM_USE_V2_MODEL_RUNNER=0)"
        )
    elif vllm_config.scheduler_config.async_scheduling:
        yield "speculative decoding with async scheduling (add --no-async-scheduling)"


def _refused_options(vllm_config: Any) -> Iterator[str]:
    parallel, cache = vllm_config.parallel_config, vllm_config.cache_config
    if parallel.use_ubatching:
        yield "microbatching (remove --enable-dbo / --ubatch-size)"
    if parallel.use_sequence_parallel_moe or _is_on(parallel, "enable_hc_sp"):
        yield (
            "residuals sharded over the sequence (remove --enable-expert-parallel, or use one of "
            "tensor and data parallelism; remove --enable-hc-sp)"
        )
    if _is_on(vllm_config.compilation_config.pass_config, "enable_sp"):
        yield "sequence parallelism by compiler pass (remove enable_sp and fuse_gemm_comms)"
    if parallel.prefill_context_parallel_size > 1:
        yield "prompts cut between ranks (remove --prefill-context-parallel-size)"
    if parallel.enable_elastic_ep or _is_on(parallel, "enable_fault_tolerance"):
        yield (
            "workers that come and go, without the vectors (remove --enable-elastic-ep and "
            "--enable-fault-tolerance)"
        )
    if vllm_config.kv_transfer_config is not None:
        yield (
            "KV connectors and KV offloading, which may key by token ids (remove "
            "--kv-transfer-config and --kv-offloading-size)"
        )
    if cache.kv_sharing_fast_prefill:
        yield "fast prefill on a part of the tokens (remove --kv-sharing-fast-prefill)"
    if vllm_config.model_config.enable_sleep_mode:
        yield "sleep mode, which may discard the rows (remove --enable-sleep-mode)"


def refused_models(model_config: Any, *, token_scale: bool = False) -> list[str]:
    """Returns why this model cannot be steered exactly, as far as its config tells."""
    import torch

    refused = []
    if model_config.is_encoder_decoder:
        refused.append("encoder-decoder models")
    if model_config.runner_type != "generate":
        refused.append("pooling models")
    # Blocks of the DeepSeek V2 family divide x by it, in float16 only.
    factor = getattr(model_config.hf_text_config, "routed_scaling_factor", None)
    if factor is not None and model_config.dtype == torch.float16:
        refused.append("residuals that vLLM scales down in float16 (add --dtype bfloat16)")
    if token_scale and model_config.architecture not in TOKEN_SCALE_ARCHITECTURES:
        refused.append(
            f"scale 'token' on {model_config.architecture}, whose blocks were not verified to "
            "return the residual stream (remove --steering-token-scale)"
        )
    return refused


def _is_on(config: Any, option: str) -> bool:
    """Returns whether an option is on that only newer versions have; where there is none, no."""
    return bool(getattr(config, option, False))


def input_processor_of(llm: Any) -> Any:
    """Returns the input processor of a `vllm.LLM`."""
    return llm.llm_engine.input_processor


def largest_value(vllm_config: Any) -> float:
    """Returns the largest number that the model's dtype can hold."""
    import torch

    return float(torch.finfo(vllm_config.model_config.dtype).max)


def num_hidden_layers(vllm_config: Any) -> int:
    """Returns the number of decoder blocks of the language model, all pipeline ranks together."""
    return int(vllm_config.model_config.hf_text_config.num_hidden_layers)


def attention_kinds(vllm_config: Any) -> Sequence[str] | None:
    """Returns each decoder block's `layer_types` entry of the config, or None where it has none."""
    kinds: Sequence[str] | None = getattr(
        vllm_config.model_config.hf_text_config, "layer_types", None
    )
    return kinds


def hidden_size(vllm_config: Any) -> int:
    """Returns the width of the residual stream."""
    return int(vllm_config.model_config.get_hidden_size())


def max_running_requests(vllm_config: Any) -> int:
    """Returns how many requests one step can hold."""
    return int(vllm_config.scheduler_config.max_num_seqs)


def is_absent_layer(module: Any) -> bool:
    """Returns whether the block lives on another pipeline rank."""
    from vllm.model_executor.models.utils import PPMissingLayer

    return isinstance(module, PPMissingLayer)


def ranks_of(worker: Any) -> dict[str, int]:
    """Returns where this worker is in each kind of parallelism, from 0."""
    from vllm.distributed.parallel_state import get_pp_group, get_tp_group

    return {
        "data_parallel": int(worker.vllm_config.parallel_config.data_parallel_index),
        "pipeline_parallel": int(get_pp_group().rank_in_group),
        "tensor_parallel": int(get_tp_group().rank_in_group),
    }


def model_of(runner: Any) -> Any:
    """Returns the loaded model, a `torch.nn.Module`."""
    return runner.get_model()


def count_model_memory(runner: Any, nbytes: int) -> None:
    """Adds to what vLLM takes for the model's weights, so that the KV cache leaves room for it.

    `GPUModelRunner.model_memory_usage` was measured before the rows were there.
    """
    if hasattr(runner, "model_memory_usage"):
        runner.model_memory_usage += nbytes


def key_compiled_graphs(vllm_config: Any, num_rows: int) -> None:
    """Makes the rows' shape, which a graph holds, part of vLLM's compile-cache key.

    NOTE: until 0.28 `max_num_seqs` is not in it; a graph of another engine could be taken.
    """
    vllm_config.additional_config["steering_rows"] = num_rows


def max_tokens_per_step(runner: Any) -> int:
    """Returns how many tokens one step can hold, padding included."""
    return int(runner.max_num_tokens)


def finished_requests(scheduler_output: Any) -> Collection[str]:
    """Returns the ids of requests that ended since the last step."""
    finished: Collection[str] = scheduler_output.finished_req_ids
    return finished


def identity_of(new_request: Any) -> tuple[str, Any]:
    """Returns (request id, sampling params) of a request that is new to this worker."""
    return new_request.req_id, new_request.sampling_params


def new_requests(scheduler_output: Any) -> list[tuple[str, Any]]:
    """Returns (request id, sampling params) of requests new to this worker."""
    return [identity_of(new) for new in scheduler_output.scheduled_new_reqs]


def model_state_of(runner: Any) -> Any:
    """Returns a V2 runner's `ModelState`."""
    return runner.model_state


def step_of(input_batch: Any) -> tuple[list[str], NDArray[np.integer], NDArray[np.integer]]:
    """Returns a V2 step: request ids in token order, first positions, numbers of tokens."""
    return input_batch.req_ids, input_batch.num_computed_tokens_np, input_batch.num_scheduled_tokens


def batch_order(runner: Any) -> list[str]:
    """Returns the request ids in the order of this step's tokens; a list vLLM edits in place."""
    req_ids: list[str] = runner.input_batch.req_ids
    return req_ids


def num_computed_tokens(runner: Any, num_reqs: int) -> NDArray[np.int32]:
    """Returns int32 `[num_reqs]`: position of each request's first token of this step (a view)."""
    computed: NDArray[np.int32] = runner.input_batch.num_computed_tokens_cpu[:num_reqs]
    return computed


def request_sampling_params(request: Any) -> Any:
    """Returns the sampling params of a scheduler-side `Request`."""
    return request.sampling_params


def prompt_ids_of(engine_core_request: Any) -> Sequence[int] | None:
    """Returns the prompt's token ids, or None for a prompt of embeddings only."""
    ids: Sequence[int] | None = engine_core_request.prompt_token_ids
    return ids


def config_of(llm: Any) -> Any:
    """Returns the `VllmConfig` of a `vllm.LLM`."""
    return llm.llm_engine.vllm_config


def max_model_len(llm: Any) -> int:
    """Returns how many tokens a prompt and its answer may have together."""
    return int(llm.model_config.max_model_len)


def vocabulary_size(llm: Any) -> int:
    """Returns how many tokens the model knows."""
    return int(llm.model_config.get_vocab_size())


def context_length(model_dir: Path) -> int:
    """Returns the longest sequence that vLLM would run this checkpoint with."""
    from vllm.config import ModelConfig

    return int(ModelConfig(str(model_dir)).max_model_len)


def serves_token_scale(model_dir: Path) -> bool:
    """Returns whether vectors of scale `token` are exact on this checkpoint's architecture."""
    from vllm.config import ModelConfig

    return ModelConfig(str(model_dir)).architecture in TOKEN_SCALE_ARCHITECTURES


def offline_options(model_dir: Path, max_model_len: int, max_num_seqs: int) -> dict[str, Any]:
    """Returns options for an engine that nobody else shares, where requests have seeds.

    NOTE: a step that prefills a part of a prompt draws a token all the same and throws it away;
    `GPUModelRunner._bookkeeping_sync` then winds the request's generator back by `set_offset`,
    which torch's CPU generator does not have, and the engine is gone. Large steps alone do not
    help: the last prompt of a step is cut to what room is left, however short it is. So prompts
    are never cut there.
    """
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return {}
    options: dict[str, Any] = {
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(max_model_len, max_num_seqs, OFFLINE_STEP_TOKENS),
        # In this process: vLLM is imported once, not three times.
        "distributed_executor_backend": "uni",
    }
    if CPU_CACHE_ENV not in os.environ:
        options["kv_cache_memory_bytes"] = _cache_bytes(model_dir, max_model_len, max_num_seqs)
    return options


def _cache_bytes(model_dir: Path, max_model_len: int, max_num_seqs: int) -> int:
    """Returns room for all requests at their longest, within an eighth of the machine's memory.

    vLLM would take 92% of it, and not start where others use some.
    """
    from vllm.config import ModelConfig

    config = ModelConfig(str(model_dir), max_model_len=max_model_len)
    heads = config.get_total_num_kv_heads() * config.get_head_size()
    values = 2 * heads * config.get_total_num_hidden_layers()
    tokens = max_num_seqs * (max_model_len + CPU_BLOCK_TOKENS)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min(values * BYTES_OF_FP32 * tokens, memory // 8))


def start_llm(model_dir: Path, options: Mapping[str, Any]) -> Any:
    """Returns a `vllm.LLM`; raises `OperatorError(engine_start_failed)`, or why it cannot steer."""
    from vllm import LLM
    from vllm.platforms import current_platform

    # Read while the engine starts; another of this process may be started otherwise.
    ours = current_platform.is_cpu() and IN_PROCESS_ENV not in os.environ
    if ours:
        os.environ[IN_PROCESS_ENV] = "0"
    try:
        return LLM(str(model_dir), **options)
    except (RuntimeError, ValueError) as error:  # pydantic's are ValueErrors
        raise OperatorError(
            f"the engine did not start on {model_dir}: {error}. Where this does not tell why, the "
            "first error in the log above does (VLLM_LOGGING_LEVEL=INFO for all of it)",
            code="engine_start_failed",
        ) from error
    finally:
        if ours:
            del os.environ[IN_PROCESS_ENV]


def end_llm(llm: Any) -> None:
    """Ends the engine, and what it left in this process if it was in it."""
    from vllm.distributed import cleanup_dist_env_and_memory

    llm.llm_engine.engine_core.shutdown()
    cleanup_dist_env_and_memory()


def steered_layers(llm: Any) -> tuple[int, ...]:
    """Returns the decoder blocks that a `vllm.LLM` with steering can steer, ascending."""
    config = config_of(llm)
    steering = read_engine_config(config.additional_config)
    if steering is None:
        return ()
    return steering.layer_indices(num_hidden_layers(config), attention_kinds(config))


class TooLongError(Exception):
    """A prompt that vLLM refuses for its length."""


def chat_token_ids(llm: Any, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """Returns the token ids of a chat with a generation header, as the server makes them.

    `LLM._preprocess_chat`, which `LLM.chat` calls and whose twin the server has. Raises
    `TooLongError`, and whatever a chat template raises.
    """
    from vllm.exceptions import VLLMValidationError

    try:
        (prompt,) = llm._preprocess_chat([list(messages)])
    except VLLMValidationError as error:
        if error.parameter in ("input_tokens", "input_text"):
            unit = {"input_tokens": "tokens", "input_text": "characters"}[error.parameter]
            raise TooLongError(f"at least {error.value} {unit}") from error
        raise
    return list(prompt["prompt_token_ids"])


def sampling_params(llm: Any, plan: SteeringPlan | None, **fields: Any) -> Any:
    """Returns `SamplingParams` with the model's own defaults (top_p, ...) under these fields.

    Raises `CallerError(invalid_ask)` for a value that vLLM does not take.
    """
    from vllm import SamplingParams
    from vllm.exceptions import VLLMValidationError
    from vllm.sampling_params import RequestOutputKind

    extra_args = None if plan is None else {EXTRA_ARGS_KEY: plan.to_wire()}
    given = {**llm.model_config.get_diff_sampling_param(), **fields}
    try:
        return SamplingParams(
            **given, extra_args=extra_args, output_kind=RequestOutputKind.FINAL_ONLY
        )
    except (VLLMValidationError, ValueError) as error:
        raise CallerError(
            f"vLLM does not take this request: {error}", code="invalid_ask"
        ) from error


def add_request(llm: Any, name: str, prompt: Sequence[int], params: Any) -> None:
    """Hands a request to the engine under this name."""
    llm.llm_engine.add_request(name, {"prompt_token_ids": list(prompt)}, params)


def step(llm: Any) -> list[Any]:
    """Runs or awaits one step; returns what it finished."""
    outputs: list[Any] = llm.llm_engine.step()
    return outputs


def abort(llm: Any, names: list[str]) -> None:
    """Gives these requests up."""
    llm.llm_engine.abort_request(names)
