"""Model runner V1: where the engine's steps meet `EngineState`. Called by the seams in compat."""

from __future__ import annotations

import logging
from typing import Any

from steersman_vectors.engine_contract import read_engine_config
from steersman_vectors.plan import EXTRA_ARGS_KEY, decode_plan

from . import compat
from .attach import attach, find_blocks
from .engine_state import EngineState
from .resident import ResidentVectors

logger = logging.getLogger("vllm.steersman")

_STATE = "_steersman_state"


def state_of(runner: Any) -> EngineState | None:
    """Returns the runner's steering state, or None in an engine started without steering."""
    state: EngineState | None = getattr(runner, _STATE, None)
    return state


def after_load_model(runner: Any, *_: Any, **__: Any) -> None:
    """Weights are loaded, nothing is compiled yet: attach to the decoder blocks.

    Raises `OperatorError` for a model whose blocks cannot be found, or a layer it does not have.
    """
    vllm_config = runner.vllm_config
    config = read_engine_config(vllm_config.additional_config)
    if config is None or state_of(runner) is not None:
        return
    num_layers = compat.num_hidden_layers(vllm_config)
    layers = config.layer_indices(num_layers)
    max_requests = compat.max_running_requests(vllm_config)
    buffers = attach(
        find_blocks(compat.model_of(runner), num_layers),
        layers,
        num_rows=max_requests + 1,
        hidden_size=compat.hidden_size(vllm_config),
        max_tokens=compat.max_tokens_per_step(runner),
        token_scale=config.token_scale,
        dtype=runner.dtype,
        device=runner.device,
    )
    compat.count_model_memory(runner, buffers.nbytes)
    resident = ResidentVectors(
        compat.hidden_size(vllm_config), layers, token_scale=config.token_scale
    )
    setattr(runner, _STATE, EngineState(buffers, resident, max_requests))
    logger.info(
        "Steering attached to %d of %d decoder blocks; %d rows, %.1f MiB on %s",
        len(buffers.layers), num_layers, max_requests, buffers.nbytes / 2**20, runner.device,
    )  # fmt: skip


def after_update_states(runner: Any, scheduler_output: Any, *_: Any, **__: Any) -> None:
    """The batch changed: forget finished requests, remember new ones.

    NOTE: here and not in `_prepare_inputs`, which a step without scheduled tokens never reaches.
    """
    state = state_of(runner)
    if state is None:
        return
    state.remove(compat.finished_requests(scheduler_output))
    for request_id, params, _prompt_length in compat.new_requests(scheduler_output):
        if params is not None and params.extra_args and EXTRA_ARGS_KEY in params.extra_args:
            state.add(request_id, decode_plan(params.extra_args[EXTRA_ARGS_KEY]))


def after_prepare_inputs(
    runner: Any, _scheduler_output: Any, num_scheduled_tokens: Any, *_: Any, **__: Any
) -> None:
    """Positions and order of the step are known: route its tokens."""
    state = state_of(runner)
    if state is not None:
        order = compat.batch_order(runner)
        state.step(order, compat.num_computed_tokens(runner, len(order)), num_scheduled_tokens)


def before_dummy_run(runner: Any, *_: Any, **__: Any) -> None:
    """A dummy step (profiling, warm-up, idle data-parallel rank) is never steered."""
    state = state_of(runner)
    if state is not None:
        with compat.input_staging(runner):
            state.clear()
